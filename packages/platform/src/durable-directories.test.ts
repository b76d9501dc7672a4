import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { replaceDirectory, writeDirectoryAtomically } from './durable-directories.ts';

describe('writeDirectoryAtomically', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'durable-directories-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  it('makes a new directory, parents included', async () => {
    await writeDirectoryAtomically(
      join(root, 'a', 'b'),
      new Map<string, string | Uint8Array>([
        ['x', 'text'],
        ['y', Uint8Array.of(1)],
      ]),
      [],
    );
    expect(await readFile(join(root, 'a', 'b', 'x'), 'utf8')).toBe('text');
    expect(await readdir(join(root, 'a'))).toEqual(['b']);
  });

  it('writes a file from pieces, one after the other', async () => {
    function* pieces(): Generator<Uint8Array> {
      yield Uint8Array.of(1, 2);
      yield Uint8Array.of(3);
    }
    await writeDirectoryAtomically(join(root, 'a'), new Map([['x', pieces()]]), []);
    expect([...(await readFile(join(root, 'a', 'x')))]).toEqual([1, 2, 3]);
  });

  it('leaves nothing when a piece cannot be made', async () => {
    const pieces = {
      *[Symbol.iterator](): Generator<Uint8Array> {
        yield Uint8Array.of(1);
        throw new RangeError('no piece');
      },
    };
    const writing = writeDirectoryAtomically(join(root, 'a'), new Map([['x', pieces]]), []);
    await expect(writing).rejects.toThrow(/no piece/);
    expect(await readdir(root)).toEqual([]);
  });

  it('replaces what it may replace, as a whole, and leaves nothing beside it', async () => {
    const target = join(root, 'state');
    await writeDirectoryAtomically(
      target,
      new Map([
        ['x', '1'],
        ['y', '1'],
      ]),
      [],
    );
    await writeDirectoryAtomically(target, new Map([['x', '2']]), ['x', 'y']);
    expect(await readdir(target)).toEqual(['x']);
    expect(await readFile(join(target, 'x'), 'utf8')).toBe('2');
    expect(await readdir(root)).toEqual(['state']);
  });

  it("refuses to replace a directory that holds someone else's file", async () => {
    await mkdir(join(root, 'home'));
    await writeFile(join(root, 'home', 'thesis.tex'), '');
    await expect(writeDirectoryAtomically(join(root, 'home'), new Map([['x', '']]), ['x'])).rejects.toThrow(
      /holds 'thesis.tex'/,
    );
    expect(await readdir(join(root, 'home'))).toEqual(['thesis.tex']);
  });

  it('refuses a path that is a file', async () => {
    await writeFile(join(root, 'file'), '');
    await expect(writeDirectoryAtomically(join(root, 'file'), new Map(), [])).rejects.toMatchObject({
      code: 'option-invalid',
    });
  });

  it('leaves the old content and no staging folder when a file cannot be written', async () => {
    const target = join(root, 'state');
    await writeDirectoryAtomically(target, new Map([['x', '1']]), []);
    await expect(
      writeDirectoryAtomically(
        target,
        new Map([
          ['x', '2'],
          ['no/such/folder', ''],
        ]),
        ['x'],
      ),
    ).rejects.toMatchObject({ code: 'backend-failed' });
    expect(await readFile(join(target, 'x'), 'utf8')).toBe('1');
    expect(await readdir(root)).toEqual(['state']);
  });
});

describe('replaceDirectory', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'durable-directories-'));
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
