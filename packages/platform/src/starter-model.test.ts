import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findStarterModel, hasStarterModel, resolveModelDirectory } from './starter-model.ts';

let root: string;
const environment = (): NodeJS.ProcessEnv => ({ AGENT_LIGHTNING_CACHE: root });
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'starter-model-'));
});
afterEach(() => rm(root, { recursive: true }));

describe('resolveModelDirectory', () => {
  it('takes any other text as a path', () => {
    expect(resolveModelDirectory('gpu: model', './smollm2', environment())).toBe(resolve('smollm2'));
    expect(resolveModelDirectory('gpu: model', 'SmolLM2', environment())).toBe(resolve('SmolLM2'));
  });

  it('says how to get the starter model while it is not there', () => {
    expect(() => resolveModelDirectory('gpu: model', 'smollm2', environment())).toThrow(
      expect.objectContaining({
        code: 'option-invalid',
        message: expect.stringMatching(/^gpu: model is "smollm2".*setup-starter-model.*93 MB.*"\.\/smollm2"/s),
      }),
    );
    expect(hasStarterModel(environment())).toBe(false);
  });

  it('finds the starter model in the cache', async () => {
    const directory = findStarterModel(environment());
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'config.json'), '{}');
    expect(resolveModelDirectory('embedded: model', 'smollm2', environment())).toBe(directory);
    expect(directory.startsWith(root)).toBe(true);
  });
});
