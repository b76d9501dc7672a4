/** Lists the documents of the repository, and where each stands on the site. */
import { globSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { slugOf } from './slug.ts';

/** Describes a document. Its paths are within the repository, and within the site. */
export interface Page {
  readonly source: string;
  /** Undefined for one that is for whoever changes the code, and not on the site. */
  readonly target: string | undefined;
  readonly text: string;
}

const folders = ['docs/**', 'packages/*', 'packages/gpu/python', 'examples/*', 'skills/*'];

/** Lists every document. */
export function listPages(root: string): readonly Page[] {
  const exclude = ['**/node_modules/**', '**/dist/**', '**/.vitepress/**'];
  const files = globSync(['*.md', 'llms.txt', ...folders.map((folder) => `${folder}/*.md`)], { cwd: root, exclude });
  return files
    .map((file) => file.split(sep).join('/'))
    .toSorted()
    .map((source) => ({ source, target: placeOnSite(source), text: readFileSync(join(root, source), 'utf8') }));
}

/** Returns where a document stands on the site: `docs/` is its root, and a README is the page of its package or example. */
function placeOnSite(source: string): string | undefined {
  if (source === 'docs/README.md') return 'index.md';
  if (source.startsWith('docs/')) return source.slice('docs/'.length).replace(/README\.md$/, 'index.md');
  if (source === 'packages/gpu/python/README.md') return 'packages/gpu-python.md';
  return /^(?:packages|examples)\/[\w-]+\/README\.md$/.test(source) ? source.replace('/README.md', '.md') : undefined;
}

/** Returns a text with its code blanked out, so that nothing in it is taken for Markdown; every character keeps its place. */
export function blankCode(text: string): string {
  return text
    .replaceAll(/^( *)(```+|~~~+)[^\n]*\n[\s\S]*?^\1\2 *$/gm, (code) => code.replaceAll(/[^\n]/g, ' '))
    .replaceAll(/(`+)(?!`)[^\n]*?(?<!`)\1(?!`)/g, (code) => code.replaceAll(/[^\n]/g, '\0'));
}

/** Lists the anchors of a document: those of its headings, numbered where they repeat, and those that it sets itself. */
export function listAnchors(text: string): ReadonlySet<string> {
  const blank = blankCode(text);
  const anchors = new Set([...blank.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(([, id]) => id!));
  for (const { index, 0: line } of blank.matchAll(/^#{1,6} .*$/gm)) {
    const slug = slugOf(text.slice(index, index + line.length).replace(/^#+ /, ''));
    let free = slug;
    for (let count = 1; anchors.has(free); count += 1) free = `${slug}-${count}`;
    anchors.add(free);
  }
  return anchors;
}
