import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readState } from './read-state.ts';

it('refuses the state of another version', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'state-'));
  const path = join(folder, 'gepa.json');
  await writeFile(path, '{"format":7,"spent":3}');
  expect(await readState<{ format: number; spent: number }>(path, 7)).toEqual({ format: 7, spent: 3 });
  await expect(readState(path, 8)).rejects.toMatchObject({
    code: 'resume-mismatch',
    message: `${path} has the format 7; this version reads format 8. Begin a new run`,
  });
  await rm(folder, { recursive: true });
});
