import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readGivenCodes } from './error-codes.ts';
import { readInterfaces } from './read-interfaces.ts';

const roots: string[] = [];
afterEach(() => roots.splice(0).forEach((root) => rmSync(root, { recursive: true })));

function rootWith(source: string): string {
  const root = mkdtempSync(join(tmpdir(), 'docs-'));
  roots.push(root);
  mkdirSync(join(root, 'packages/own/src'), { recursive: true });
  writeFileSync(join(root, 'packages/own/src/own.ts'), source);
  return root;
}

describe('readInterfaces', () => {
  it('reads fields with their comments, defaults and types', () => {
    const [found] = readInterfaces(
      rootWith(`/** Is an example. */
export interface Own<Task> extends Omit<Other<Task>, 'left' | 'gone'>, Partial<Third> {
  /** Says one thing; {@link Own.second} the other. @default 3 */
  readonly first?: number;
  /**
   * Has lines,
   * two of them.
   */
  readonly second: {
    readonly inner: string;
  };
  readonly third?: (value: Task) => void;
  /** @default none */
  readonly fourth?: string;
}
`),
    );
    expect(found).toMatchObject({ package: 'own', name: 'Own', text: 'Is an example.' });
    expect(found!.parents).toEqual([
      { name: 'Other', omitted: ['left', 'gone'] },
      { name: 'Third', omitted: [] },
    ]);
    expect(found!.fields).toEqual([
      {
        name: 'first',
        isOptional: true,
        type: 'number',
        text: 'Says one thing; `second` the other.',
        defaultValue: '3',
      },
      {
        name: 'second',
        isOptional: false,
        type: '{ readonly inner: string; }',
        text: 'Has lines, two of them.',
        defaultValue: '',
      },
      { name: 'third', isOptional: true, type: '(value: Task) => void', text: '', defaultValue: '' },
      { name: 'fourth', isOptional: true, type: 'string', text: '', defaultValue: 'none' },
    ]);
  });

  it('rejects a member that it cannot read', () => {
    const [found] = readInterfaces(rootWith('export interface Own {\n  readonly [key: string]: number;\n}\n'));
    expect(() => found!.fields).toThrow(/own\.ts: Own: cannot read the member "readonly \[key/);
  });
});

describe('readGivenCodes', () => {
  it('finds codes wherever an error gets one, and neither comparisons nor statuses', () => {
    const root = rootWith(`
throw new StoreError('full', { code: 'a-full', replyCode: 'b-reply', retryable: true });
const failure = { code: isOwn ? 'c-own' : 'd-other', message };
const status = { code: 'error' };
const shown = { code: error.code === 'e-compared' ? 'f-shown' : error.code };
`);
    expect([...readGivenCodes(root).keys()].toSorted()).toEqual(['a-full', 'b-reply', 'c-own', 'd-other', 'f-shown']);
  });
});
