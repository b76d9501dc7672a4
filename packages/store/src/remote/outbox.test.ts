import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Outbox } from './outbox.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'outbox-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

it('leaves out what another process delivered meanwhile, and what one that lives still writes', () => {
  const half = '{"operation":"comp';
  // Its target is gone, as a file is that was removed after the folder was listed.
  symlinkSync(join(directory, 'gone'), join(directory, `1-1-${process.ppid}.call.json`));
  writeFileSync(join(directory, `2-1-${process.ppid}.call.json`), half);
  writeFileSync(join(directory, '3-1-999999999.call.json'), half);
  writeFileSync(join(directory, '4-1-999999999.call.json'), '{}');
  expect(new Outbox({ directory }).readLeft().map(({ json }) => json)).toEqual(['{}']);
  expect(readdirSync(directory).sort()).toEqual([
    `1-1-${process.ppid}.call.json`,
    `2-1-${process.ppid}.call.json`,
    '3-1-999999999.call.json.broken',
    '4-1-999999999.call.json',
  ]);
});
