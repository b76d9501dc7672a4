import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readState, writeState } from './state-file.ts';

const state = { format: 7, spent: 3 };

it('refuses the state of another version', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'state-'));
  const path = join(folder, 'gepa.json');
  await writeState(path, state);
  expect(await readState<typeof state>(path, 7)).toEqual(state);
  await expect(readState(path, 8)).rejects.toMatchObject({
    code: 'resume-mismatch',
    message: `${path} has the format 7; this version reads format 8. Begin a new run`,
  });
  await rm(folder, { recursive: true });
});
