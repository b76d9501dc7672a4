import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { replaceDirectory } from './durable-files.ts';

describe('replaceDirectory', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'durable-files-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  async function write(name: string, file: string): Promise<string> {
    const directory = join(root, name);
    await mkdir(directory);
    await writeFile(join(directory, file), name);
    return directory;
  }

  it('moves a directory to where none is', async () => {
    await replaceDirectory(await write('new', 'a'), join(root, 'model'));
    expect(await readdir(root)).toEqual(['model']);
  });

  it('replaces one as a whole, and leaves nothing beside it', async () => {
    const target = await write('model', 'old');
    await replaceDirectory(await write('new', 'a'), target);
    expect(await readdir(root)).toEqual(['model']);
    expect(await readdir(target)).toEqual(['a']);
  });

  it('keeps the old one when the new one cannot take its place', async () => {
    const target = await write('model', 'old');
    await expect(replaceDirectory(join(root, 'missing'), target)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readFile(join(target, 'old'), 'utf8')).toBe('model');
    expect(await readdir(root)).toEqual(['model']);
  });
});
