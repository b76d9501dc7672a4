import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BigramBackend } from './bigram-backend.ts';
import { createFolder } from './run-folder.ts';
import { PolicySet } from '../src/grpo/policies/policy-set.ts';
import { resolvePolicies } from '../src/policy-options.ts';

it.each([
  ['one policy', undefined, ['policy']],
  ['several policies', { writer: { agentMatch: /write/ }, planner: { agentMatch: /plan/ } }, ['policies']],
])('makes folders for what %s save, and none in order to discard', async (_, options, saved) => {
  const set = await PolicySet.create(new BigramBackend(), resolvePolicies(options), 1, 0);
  const folder = await createFolder();
  await mkdir(join(folder, 'empty'));
  await set.discardState(join(folder, 'empty'));
  await expect(set.loadState(join(folder, 'empty'))).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await readdir(join(folder, 'empty'))).toEqual([]);
  await set.saveState(join(folder, 'checkpoint'));
  expect(await readdir(join(folder, 'checkpoint'))).toEqual(saved);
});
