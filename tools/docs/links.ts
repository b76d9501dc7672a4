/** Finds the links of documents, checks them, and aims them at the pages of the site. */
import { existsSync } from 'node:fs';
import { posix } from 'node:path';
import { blankCode, listAnchors, type Page } from './pages.ts';

/** Describes a link as it is written in a document. */
export interface Link {
  readonly label: string;
  readonly target: string;
  readonly start: number;
  readonly end: number;
}

/** Lists the links and pictures of a text that are relative or lead to an anchor; those to other servers are left out. */
export function findLinks(text: string): readonly Link[] {
  const blank = blankCode(text);
  return [...blank.matchAll(/(?<!!)\[((?:[^[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)|!\[([^\]]*)\]\(([^()\s]+)\)/g)]
    .map((match) => ({
      label: text.slice(match.index + 1, match.index + 1 + (match[1] ?? '').length),
      target: match[2] ?? match[4]!,
      start: match.index,
      end: match.index + match[0].length,
    }))
    .filter(({ target }) => !/^[a-z]+:/.test(target));
}

/** Returns the path within the repository that a link leads to, without its anchor; that of the page itself for an anchor alone. */
export function resolveLink(page: Page, target: string): string {
  const [path = ''] = target.split('#');
  return path === ''
    ? page.source
    : posix.normalize(posix.join(posix.dirname(page.source), decodeURI(path))).replace(/\/$/, '');
}

/** Names every link that leads to a file or an anchor that there is not. */
export function findDeadLinks(root: string, pages: readonly Page[]): readonly string[] {
  const bySource = new Map(pages.map((page) => [page.source, page]));
  const anchors = new Map(pages.map((page) => [page.source, listAnchors(page.text)]));
  return pages.flatMap((page) =>
    findLinks(page.text).flatMap(({ target, start }) => {
      const line = page.text.slice(0, start).split('\n').length;
      const path = resolveLink(page, target);
      const anchor = target.split('#')[1];
      if (!bySource.has(path) && !existsSync(posix.join(root, path)))
        return [`${page.source}:${line}: there is no ${path}`];
      const known = anchor === undefined || !bySource.has(path) || anchors.get(path)!.has(anchor);
      return known ? [] : [`${page.source}:${line}: ${path} has no heading with the anchor #${anchor}`];
    }),
  );
}

/** Returns a page's text with its links aimed at the site. A file that is no page of the site is named, and not linked. */
export function aimLinks(page: Page, pages: readonly Page[]): string {
  const targets = new Map(
    pages.flatMap(({ source, target }) => (target === undefined ? [] : [[source, target] as const])),
  );
  let text = page.text;
  for (const { label, target, start, end } of findLinks(page.text).toReversed()) {
    const path = resolveLink(page, target);
    const onSite =
      targets.get(path) ??
      targets.get(`${path}/README.md`) ??
      (isPicture(path) ? path.replace(/^docs\//, '') : undefined);
    const anchor = target.includes('#') ? `#${target.split('#')[1]}` : '';
    const isImage = page.text[start] === '!';
    if (isImage) continue;
    const aimed = onSite === undefined ? label : `[${label}](${relativePath(page.target!, onSite)}${anchor})`;
    text = text.slice(0, start) + aimed + text.slice(end);
  }
  return text;
}

function isPicture(path: string): boolean {
  return path.startsWith('docs/') && path.endsWith('.svg');
}

function relativePath(from: string, to: string): string {
  const path = posix.relative(posix.dirname(from), to);
  return path.startsWith('.') ? path : `./${path}`;
}
