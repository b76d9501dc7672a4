import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeLines } from '../src/write-lines.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'write-lines-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function* linesOf(count: number, error?: Error): AsyncGenerator<string> {
  for (let index = 0; index < count; index += 1) yield `${index}\n`;
  if (error !== undefined) throw error;
}

it('writes every line, and counts them', async () => {
  const path = join(folder, 'out.jsonl');
  expect(await writeLines(path, linesOf(3))).toBe(3);
  expect(readFileSync(path, 'utf8')).toBe('0\n1\n2\n');
  expect(await writeLines(join(folder, 'empty.jsonl'), linesOf(0))).toBe(0);
  expect(readdirSync(folder)).toEqual(['empty.jsonl', 'out.jsonl']);
});

it.each([0, 3])('leaves nothing where its lines end with an error after %i', async (count) => {
  const error = new RangeError('the store is gone');
  await expect(writeLines(join(folder, 'out.jsonl'), linesOf(count, error))).rejects.toBe(error);
  expect(readdirSync(folder)).toEqual([]);
});

it('is not held up by what a killed process of the same number left', async () => {
  const left = join(folder, `out.jsonl.${process.pid}.partial`);
  writeFileSync(left, 'half a li');
  expect(await writeLines(join(folder, 'out.jsonl'), linesOf(2))).toBe(2);
  expect(readFileSync(left, 'utf8')).toBe('half a li');
});

it('writes the same path twice at once, and one of the two is there whole', async () => {
  const path = join(folder, 'out.jsonl');
  expect(await Promise.all([writeLines(path, linesOf(3)), writeLines(path, linesOf(3))])).toEqual([3, 3]);
  expect(readFileSync(path, 'utf8')).toBe('0\n1\n2\n');
  expect(readdirSync(folder)).toEqual(['out.jsonl']);
});

it('throws an error of the system that the lines met as it is: the file is not to blame', async () => {
  const error = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' });
  await expect(writeLines(join(folder, 'out.jsonl'), linesOf(1, error))).rejects.toBe(error);
});

it('says which folder it needs', async () => {
  await expect(writeLines(join(folder, 'gone', 'out.jsonl'), linesOf(1))).rejects.toMatchObject({
    code: 'option-invalid',
    message: expect.stringContaining('a folder that exists'),
  });
});

// The limit on the size of a file stands for a disk that is full: both fail a write that had begun well.
it.skipIf(process.platform === 'win32')('says that there is no room, and leaves nothing', async () => {
  const source = JSON.stringify(import.meta.resolve('../src/write-lines.ts'));
  const program = `const { writeLines } = await import(${source});
    async function* lines() {
      for (let index = 0; index < 400; index += 1) { yield 'x'.repeat(5000) + '\\n'; await new Promise(setImmediate); }
    }
    await writeLines('out.jsonl', lines()).then(() => console.log('written'), ({ code }) => console.log('caught', code));`;
  const flags = '--conditions=@agent-lightning/source --disable-warning=ExperimentalWarning --input-type=module --eval';
  const output = await new Promise((done) => {
    const script = `ulimit -f 64; exec "$0" ${flags} "$1"`;
    execFile('bash', ['-c', script, process.execPath, program], { cwd: folder }, (_, stdout, stderr) =>
      done(stdout + stderr),
    );
  });
  expect(output).toBe('caught disk-full\n');
  expect(readdirSync(folder)).toEqual([]);
});
