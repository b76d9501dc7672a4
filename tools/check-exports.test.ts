import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkExports, countExports, findHeadlessComments } from './check-exports.ts';

describe('countExports', () => {
  it('counts values and types, whichever way they are marked', () => {
    const source = `
// training
export { Trainer, type TrainerOptions } from './trainer.ts';
export type { FitOptions, DevOptions } from './fit-options.ts';`;
    expect(countExports('trainer', source)).toEqual({ name: 'trainer', values: 1, types: 3 });
  });
});

describe('findHeadlessComments', () => {
  it.each([
    '/** Of the newest, undefined when there is none. */\nexport function findNewest(): void {}',
    '/** What a step gave. */\nexport interface StepOutcome {}',
    '/**\n * How often to try.\n * @default 3\n */\nexport const tries = 3;',
    '/** Whether it is done. */\nexport async function isDone(): Promise<boolean> {}',
  ])('names the symbol of %j', (source) => {
    expect(findHeadlessComments(source)).toHaveLength(1);
  });

  it.each([
    '/** Returns the newest checkpoint. */\nexport function findNewest(): void {}',
    '/** A step that is done. */\nexport interface Step {}',
    '/** Of nothing that is exported. */\nfunction hidden(): void {}',
    'export const bare = 1;',
    '/** Invites a mistake: the word only begins like one. */\nexport const invites = 1;',
  ])('has nothing to say of %j', (source) => {
    expect(findHeadlessComments(source)).toEqual([]);
  });
});

describe('checkExports', () => {
  it('fails where there is nothing to check', () => {
    const empty = mkdtempSync(join(tmpdir(), 'exports-'));
    expect(checkExports(empty).problems).toEqual([`${empty}: no packages found, so nothing was checked`]);
    rmSync(empty, { recursive: true });
  });

  it('finds every rule kept here', () => {
    expect(checkExports(resolve(import.meta.dirname, '..')).problems).toEqual([]);
  });
});
