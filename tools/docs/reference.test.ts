/** The reference is complete: every error code, every figure and every option has an entry, and nothing else has one. */
import { globSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findUnusedCodes, readDeclaredCodes, readGivenCodes } from './error-codes.ts';
import { readGatewayMetrics, readStepMetrics } from './metric-names.ts';
import { formatOptionsPage, listOptionSets } from './options-page.ts';

const root = join(import.meta.dirname, '../..');
const readPage = (name: string): string => readFileSync(join(root, 'docs/reference', name), 'utf8');

/** Splits a page at its headings of the third level. */
function readEntries(page: string): ReadonlyMap<string, string> {
  const parts = page.split(/^### /m).slice(1);
  return new Map(parts.map((part) => [part.slice(0, part.indexOf('\n')), part.split(/^## /m)[0]!]));
}

/** Reads the names in the first column of the tables whose head begins with `metric`, with the other cells. */
function readMetricRows(page: string): ReadonlyMap<string, string> {
  const rows = [...page.matchAll(/^\| `([\w.]+)` +\|(.*)$/gm)].map(([, name, cells]): [string, string] => [
    name!,
    cells!,
  ]);
  expect(new Set(rows.map(([name]) => name)).size, 'a metric has two entries').toBe(rows.length);
  return new Map(rows);
}

describe('docs/reference/errors.md', () => {
  const entries = readEntries(readPage('errors.md'));
  const codes = new Set([...readDeclaredCodes(root), ...readGivenCodes(root).keys()]);

  it('has an entry for every code that the packages give, and no other entry', () => {
    expect(codes.size).toBeGreaterThan(60);
    expect([...entries.keys()].toSorted()).toEqual([...codes].toSorted());
  });

  it('says for every code what to do', () => {
    const silent = [...entries].filter(([, text]) => !/\*\*What to do:\*\* \S.{10,}/s.test(text));
    expect(silent.map(([code]) => code)).toEqual([]);
  });

  it('knows no declared code that is never given', () => expect(findUnusedCodes(root)).toEqual([]));
});

describe('docs/reference/metrics.md', () => {
  const rows = readMetricRows(readPage('metrics.md'));
  const names = [...readStepMetrics(root), ...readGatewayMetrics(root)];

  it('has an entry for every figure of a step and of the gateway, and no other entry', () => {
    expect(names.length).toBeGreaterThan(80);
    expect([...rows.keys()].toSorted()).toEqual(names.toSorted());
  });

  it('says of every figure what it means', () =>
    expect([...rows].filter(([, cells]) => (cells.split('|')[0] ?? '').trim().length < 8)).toEqual([]));
});

describe('docs/reference/options.md', () => {
  const sets = listOptionSets(root);

  it('has a description of every option', () => {
    expect(sets.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['TrainerOptions', 'GrpoOptions', 'GatewayOptions']),
    );
    const silent = sets.flatMap(({ name, fields }) =>
      fields.filter(({ text }) => text === '').map((field) => `${name}.${field.name}`),
    );
    expect(silent, 'give these a comment in the source').toEqual([]);
  });

  it('is what `npm run docs:options` writes', () =>
    // Widths of columns belong to the formatter.
    expect(squeeze(readPage('options.md')), 'run npm run docs:options').toBe(squeeze(formatOptionsPage(root))));
});

describe('docs/command.md', () => {
  it('has every command, and no other', () => {
    const folder = 'packages/agent-lightning/src/cli/commands';
    const commands = globSync(`${folder}/**/*.ts`, { cwd: root }).flatMap((file) => {
      const group = file.split(sep).slice(folder.split('/').length, -1);
      const usages = readFileSync(join(root, file), 'utf8').matchAll(/usage: '([a-z-]+)/g);
      return [...usages].map(([, name]) => [...group, name].join(' '));
    });
    const page = readFileSync(join(root, 'docs/command.md'), 'utf8');
    const rows = [...page.matchAll(/^\| `([a-z -]+)` +\|/gm)].map(([, name]) => name);
    expect(commands.length).toBeGreaterThan(10);
    expect(rows.toSorted()).toEqual(commands.toSorted());
  });
});

function squeeze(page: string): string {
  return page.replaceAll(/ +\|/g, ' |').replaceAll(/-{3,}/g, '---').replaceAll(/\| +/g, '| ');
}
