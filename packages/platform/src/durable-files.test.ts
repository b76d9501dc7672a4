import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeFileAtomically } from './durable-files.ts';

describe('writeFileAtomically', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'durable-files-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  it('replaces a file as a whole, and leaves nothing beside it', async () => {
    await writeFile(join(root, 'run.json'), 'a longer text');
    await writeFileAtomically(join(root, 'run.json'), 'short');
    expect(await readFile(join(root, 'run.json'), 'utf8')).toBe('short');
    expect(await readdir(root)).toEqual(['run.json']);
  });

  it('leaves nothing of what cannot take its place', async () => {
    await mkdir(join(root, 'taken', 'inside'), { recursive: true });
    await expect(writeFileAtomically(join(root, 'taken'), 'text')).rejects.toThrow();
    expect(await readdir(root)).toEqual(['taken']);
    expect(await readdir(join(root, 'taken'))).toEqual(['inside']);
  });
});
