import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findPython, type PythonPlaces } from './find-python.ts';
import { digestRequirements, pythonProgram, stampFile } from './python-environment.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'find-python-'));
});
afterEach(() => rm(root, { recursive: true }));

describe('findPython', () => {
  const places = (): PythonPlaces => ({ checkout: join(root, 'checkout'), cached: join(root, 'cached') });
  const make = async (directory: string, stamp?: string): Promise<string> => {
    const python = pythonProgram(directory);
    await mkdir(dirname(python), { recursive: true });
    await writeFile(python, '');
    if (stamp !== undefined) await writeFile(stampFile(directory), stamp);
    return python;
  };

  it('takes the option, then the environment', () => {
    expect(findPython('/opt/python', { AGENT_LIGHTNING_PYTHON: '/env/python' })).toBe('/opt/python');
    expect(findPython(undefined, { AGENT_LIGHTNING_PYTHON: '/env/python' })).toBe('/env/python');
  });

  it('takes what was set up in a checkout, then what was set up in the cache to its end', async () => {
    await make(places().cached, 'older pins');
    expect(() => findPython(undefined, {}, places())).toThrow(
      expect.objectContaining({
        code: 'command-unavailable',
        message: expect.stringMatching(/checkout or .*cached.*npx agent-lightning-gpu setup/),
      }),
    );
    const cached = await make(places().cached, digestRequirements());
    expect(findPython(undefined, {}, places())).toBe(cached);
    const checkout = await make(places().checkout);
    expect(findPython(undefined, {}, places())).toBe(checkout);
  });
});
