/**
 * The table of what each adapter's framework can do, made from the adapters that the contract suite runs.
 *
 *     node --conditions=@agent-lightning/source tools/adapter-table.ts           fails when docs/adapters.md has another table
 *     node --conditions=@agent-lightning/source tools/adapter-table.ts --write   writes it
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { adapterScenarios, type AdapterUnderTest } from '@agent-lightning/testing';

const page = 'docs/adapters.md';
const [begin, end] = ['<!-- adapters: begin (generated) -->', '<!-- adapters: end -->'];

interface Column {
  readonly name: string;
  readonly unsupported: NonNullable<AdapterUnderTest['unsupported']>;
}

async function readColumns(): Promise<Column[]> {
  const files = globSync('packages/*/test/__fixtures__/adapter.ts').toSorted();
  return Promise.all(
    files.map(async (file) => {
      const exported = Object.values((await import(pathToFileURL(resolve(file)).href)) as object);
      const adapter = exported.find(isAdapter);
      if (adapter === undefined) throw new TypeError(`${file} exports no AdapterUnderTest`);
      return { name: file.split(/[\\/]/)[1] ?? file, unsupported: adapter.unsupported ?? {} };
    }),
  );
}

function isAdapter(value: unknown): value is AdapterUnderTest {
  return typeof (value as Partial<AdapterUnderTest> | null)?.build === 'function';
}

function renderTable(columns: readonly Column[]): string {
  const reasons: string[] = [];
  const cell = (reason: string | undefined): string => {
    if (reason === undefined) return 'yes';
    if (!reasons.includes(reason)) reasons.push(reason);
    return `no (${reasons.indexOf(reason) + 1})`;
  };
  const rows = [
    ['scenario', ...columns.map(({ name }) => name)],
    ...adapterScenarios.map((scenario) => [scenario, ...columns.map(({ unsupported }) => cell(unsupported[scenario]))]),
  ];
  const widths = rows[0]?.map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0))) ?? [];
  const lineOf = (row: readonly string[]): string =>
    `| ${row.map((text, index) => text.padEnd(widths[index] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  const notes = reasons.map((reason, index) => `${index + 1}. ${reason}`);
  return [lineOf(head), rule, ...body.map(lineOf), ...(notes.length > 0 ? ['', ...notes] : [])].join('\n');
}

const columns = await readColumns();
const text = readFileSync(page, 'utf8');
const [from, to] = [text.indexOf(begin), text.indexOf(end)];
if (columns.length === 0 || from < 0 || to < from) {
  console.error(`adapters: ${columns.length} adapters found, and ${page} must have the marks ${begin} and ${end}`);
  process.exit(1);
}
const written = `${text.slice(0, from)}${begin}\n\n${renderTable(columns)}\n\n${text.slice(to)}`;
if (process.argv.includes('--write')) writeFileSync(page, written);
else if (written !== text) {
  console.error(`adapters: the table in ${page} is stale; run this with --write`);
  process.exitCode = 1;
}
if (process.exitCode !== 1) console.log(`adapters: ${columns.length} adapters, ${adapterScenarios.length} scenarios`);
