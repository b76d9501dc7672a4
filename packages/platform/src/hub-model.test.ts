import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findHubModel, hasHubModel, parseHubModelId } from './hub-model.ts';
import { resolveModelDirectory } from './starter-model.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'hub-model-'));
});
afterEach(() => rm(root, { recursive: true }));

describe('parseHubModelId', () => {
  it.each([
    ['Qwen/Qwen3-0.6B', { repository: 'Qwen/Qwen3-0.6B', revision: 'main' }],
    ['a/b@refs/pr/1', { repository: 'a/b', revision: 'refs/pr/1' }],
    ['./model', undefined],
    ['../a/b', undefined],
    ['a/b/c', undefined],
    ['/a/b', undefined],
    ['a/..', undefined],
    ['a/b@../x', undefined],
    ['model', undefined],
  ])('reads %s', (text, id) => expect(parseHubModelId(text)).toEqual(id));
});

describe('resolveModelDirectory of a model of the hub', () => {
  const environment = (): NodeJS.ProcessEnv => ({ AGENT_LIGHTNING_CACHE: root });
  const resolveModel = (model: string): string => resolveModelDirectory('embedded: model', model, environment());

  it('finds what was downloaded, takes a directory that is there, and says how to download', async () => {
    expect(() => resolveModel('org/tiny')).toThrow(
      expect.objectContaining({
        code: 'option-invalid',
        message: expect.stringContaining('agent-lightning download org/tiny'),
      }),
    );
    const directory = findHubModel(parseHubModelId('org/tiny')!, environment());
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'config.json'), '{}');
    expect(hasHubModel(parseHubModelId('org/tiny')!, environment())).toBe(true);
    expect(resolveModel('org/tiny')).toBe(directory);
    expect(() => resolveModel('org/tiny@v2')).toThrow(/org--tiny@v2/);
    // Paths of this package, which is where its tests run.
    expect(resolveModel('src/hub-model.ts')).toBe(resolve('src/hub-model.ts'));
    expect(resolveModel('src/no-such-model')).toBe(resolve('src/no-such-model'));
    expect(resolveModel('./org/tiny')).toBe(resolve('org/tiny'));
  });
});
