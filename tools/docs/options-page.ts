/** Writes `docs/reference/options.md` out of the types: the options that users give, with their defaults and what they do. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readInterfaces, type Field, type Interface } from './read-interfaces.ts';

/** Names the packages in the order in which a user meets them. Those that are missing serve whoever builds on the project; the API reference has them. */
const packages = [
  ['trainer', 'Training'],
  ['prompt-optimizer', 'Prompts'],
  ['tracing', 'Wrapping an agent, and emitters'],
  ['ai-sdk', 'Vercel AI SDK'],
  ['embedded', 'Training in this process'],
  ['gpu', 'The PyTorch worker and vLLM'],
  ['tinker', 'SkyRL and Tinker'],
  ['gateway', 'The gateway'],
  ['runner', 'The runner and agents as commands'],
  ['capture', 'Live traffic'],
  ['observability', 'OpenTelemetry, TensorBoard, MLflow'],
  ['regression', 'Regression tests'],
  ['dashboard', 'The dashboard'],
  ['server', 'The server'],
  ['store', 'Every store, and a store at a server'],
  ['store-sqlite', 'The SQLite store'],
  ['store-postgres', 'The PostgreSQL store'],
] as const;

/** Names interfaces that those who train an agent never give, or whose fields another interface of the page has. */
const left = new Set([
  'RequestErrorOptions',
  'TraceRecorderOptions',
  'ResolvedOpenTelemetryOptions',
  'MetricLogOptions',
  'LlamaEngineOptions',
  'BytePairOptions',
  'CallLimitOptions',
  'ModelOptions',
  'StalenessOptions',
  'GrpoLossOptions',
  'VllmSharedOptions',
]);

/** Describes the options of one interface, those of its parents among them. */
export interface OptionSet {
  readonly package: string;
  readonly name: string;
  readonly text: string;
  readonly fields: readonly Field[];
}

/** Lists the interfaces of options that a user can give, package by package, each once. */
export function listOptionSets(root: string): readonly OptionSet[] {
  const all = readInterfaces(root);
  const shown = new Set<string>();
  return packages.flatMap(([name]) => {
    const exported = exportedOptions(root, name);
    return exported.flatMap((option) => {
      const own = findInterface(all, option, name);
      const key = `${own?.package}.${own?.name}`;
      if (own === undefined || shown.has(key) || (own.package !== name && isShownByOwner(own.package))) return [];
      shown.add(key);
      return [{ package: name, name: option, text: own.text, fields: fieldsOf(own, all) }];
    });
  });
}

function isShownByOwner(owner: string): boolean {
  return packages.some(([name]) => name === owner);
}

/** Lists what the index of a package exports whose name ends with `Options`. */
function exportedOptions(root: string, name: string): readonly string[] {
  const index = readFileSync(join(root, 'packages', name, 'src/index.ts'), 'utf8');
  const names = [...index.matchAll(/\b(?:([A-Z]\w*) as )?([A-Z]\w*Options)\b/g)].map(([, from, to]) => from ?? to!);
  return [...new Set(names)].filter((option) => !left.has(option));
}

function findInterface(all: readonly Interface[], name: string, owner: string): Interface | undefined {
  const found = all.filter((each) => each.name === name);
  return found.find((each) => each.package === owner) ?? found[0];
}

function fieldsOf(
  { package: owner, parents, fields, origins }: Interface,
  all: readonly Interface[],
): readonly Field[] {
  const inherited = parents.flatMap(({ name, omitted }) => {
    const found = findInterface(all, name, origins.get(name) ?? owner);
    return found === undefined ? [] : fieldsOf(found, all).filter((field) => !omitted.includes(field.name));
  });
  const own = new Set(fields.map(({ name }) => name));
  return [...fields, ...inherited.filter(({ name }) => !own.has(name))];
}

/** Returns the page. */
export function formatOptionsPage(root: string): string {
  const sets = listOptionSets(root);
  const sections = packages.flatMap(([name, title]) => {
    const own = sets.filter((set) => set.package === name);
    return own.length === 0 ? [] : [`## ${title}\n\nPackage \`@agent-lightning/${name}\`.`, ...own.map(formatSet)];
  });
  return `${introduction}\n\n${sections.join('\n\n')}\n`;
}

const introduction = `# Options

The options that those who train an agent give, with their defaults and what they do; the API has those of the other
packages. A name that there is not, or a value out of range, is refused with
[\`option-invalid\`](errors.md#option-invalid), never ignored. An option without a default is required where its default says so.

This page is made from the types by \`npm run docs:options\`; a test fails where it is old, and where an option has no description.`;

function formatSet({ name, text, fields }: OptionSet): string {
  const rows = fields.map((field) => [`\`${field.name}\``, defaultOf(field), field.text].map(toCell));
  const lines = [['option', 'default', ''], ['---', '---', '---'], ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return [`### ${name}`, ...(text === '' ? [] : [text]), lines.join('\n')].join('\n\n');
}

function defaultOf({ isOptional, defaultValue }: Field): string {
  if (!isOptional) return '**required**';
  // Values are code; a sentence such as "the model's" is none.
  if (/^(?:'[^']*'|[\d._e-]+|true|false|Infinity)$/.test(defaultValue)) return `\`${defaultValue}\``;
  return defaultValue === '' ? 'none' : defaultValue;
}

function toCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/<(?=\w)/g, '&lt;');
}
