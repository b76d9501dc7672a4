import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig, type Plugin } from 'vite';

const documents = join(import.meta.dirname, '../../../docs');

/** A page of the documents from which the app takes what a figure or an ailment means. */
const sources: Readonly<Record<string, () => object>> = {
  'virtual:metrics': () => readTables(join(documents, 'reference/metrics.md')),
  'virtual:ailments': () => readAilments(join(documents, 'why-no-learning.md')),
};

/** Gives the app the documents' own words, so that no second list of metrics has to be kept. */
function documentWords(): Plugin {
  return {
    name: 'document-words',
    resolveId: (id) => (Object.hasOwn(sources, id) ? `\0${id}` : undefined),
    load: (id) => {
      const source = sources[id.replace('\0', '')];
      return source === undefined ? undefined : `export default ${JSON.stringify(source())};`;
    },
  };
}

/** Reads the tables of metrics: sections with the name, meaning and normal value of each figure. */
function readTables(path: string): readonly object[] {
  const sections: { title: string; metrics: { name: string; meaning: string; normal: string }[] }[] = [];
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line.startsWith('## ')) sections.push({ title: line.slice(3), metrics: [] });
    const [, name, meaning, normal] = /^\| `([^`]+)`\s*\|([^|]*)\|([^|]*)\|$/.exec(line) ?? [];
    if (name !== undefined) sections.at(-1)?.metrics.push({ name, meaning: plain(meaning!), normal: plain(normal!) });
  }
  const filled = sections.filter(({ metrics }) => metrics.length > 0);
  if (filled.length === 0) throw new Error(`${path} has no table of metrics`);
  return filled;
}

/** Reads what each ailment is in a word: the rows of the table whose first cell names ailments. */
function readAilments(path: string): Readonly<Record<string, string>> {
  const words: Record<string, string> = {};
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [, codes, word] = /^\| (\[`.*?)\s*\|([^|]*)\|[^|]*\|$/.exec(line) ?? [];
    if (codes === undefined) continue;
    const names = [...codes.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
    const parts = plain(word!).split('; ');
    for (const [index, name] of names.entries()) words[name] = parts[index] ?? parts[0]!;
  }
  if (Object.keys(words).length === 0) throw new Error(`${path} has no table of ailments`);
  return words;
}

/** Returns a cell of a table as plain text. */
function plain(cell: string): string {
  return cell
    .replaceAll(/\[([^\]]+)\]\([^)]*\)/g, '$1')
    .replaceAll('`', '')
    .trim();
}

export default defineConfig({
  root: import.meta.dirname,
  plugins: [documentWords()],
  // The workspace has another Preact too, of its site: with two copies, a signal would not draw its component again.
  resolve: { dedupe: ['preact'] },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../built-app',
    emptyOutDir: true,
    target: 'es2023',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: { checks: { pluginTimings: false } },
    license: { fileName: 'licenses.md' },
  },
});
