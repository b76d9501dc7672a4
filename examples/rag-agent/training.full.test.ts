import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { expect, it } from 'vitest';

it('trains for two steps from the command line', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rag-agent-'));
  const program = ['--conditions=@agent-lightning/source', join(import.meta.dirname, 'main.ts')];
  const options = ['--seed', '5', '--steps', '2', '--json', '--run-directory', join(folder, 'run')];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [...program, ...options]);
    const result = JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, number | string>;
    expect(result).toMatchObject({ seed: 5, control: 'none', steps: 2, stopReason: 'completed' });
    expect(result['rollouts']).toBe(160 + 2 * 24 * 8 + 160);
    expect(result['transitions']).toBeGreaterThan(2 * 2 * 24 * 8); // it searches, then answers
    expect(result['validationBefore']).toBeGreaterThan(0.15);
    expect(result['validationBefore']).toBeLessThan(0.4);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
