import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { aimLinks, findDeadLinks, findLinks } from './links.ts';
import { blankCode, listAnchors, listPages, type Page } from './pages.ts';

const root = join(import.meta.dirname, '../..');

describe('the documents', () => {
  const pages = listPages(root);

  it('have no dead link and no dead anchor', () => {
    expect(pages.length).toBeGreaterThan(50);
    expect(pages.flatMap(({ text }) => findLinks(text)).length).toBeGreaterThan(100);
    expect(findDeadLinks(root, pages)).toEqual([]);
  });

  it('are reached from docs/README.md, those on the site but decisions, packages and examples', () => {
    const start = pages.find(({ source }) => source === 'docs/README.md')!;
    const linked = new Set(
      findLinks(start.text).map(({ target }) => `docs/${target.split('#')[0]!.replace('./', '')}`),
    );
    const own = pages.filter(({ source }) => source.startsWith('docs/') && !source.startsWith('docs/decisions/'));
    expect(own.map(({ source }) => source).filter((source) => source !== start.source && !linked.has(source))).toEqual(
      [],
    );
  });
});

describe('links', () => {
  const page = (source: string, text: string, target?: string): Page => ({ source, text, target });
  const pages = [
    page(
      'docs/a.md',
      '# A\n\n[b](sub/b.md#two), [code](../tools/test.ts), `[no](link.md)`\n\n```md\n[no](x.md)\n```\n',
      'a.md',
    ),
    page('docs/sub/b.md', '# B\n\n## Two\n\n## Two\n\n[a](../a.md#none) [gone](c.md)\n', 'sub/b.md'),
  ];

  it('are found outside of code alone', () =>
    expect(findLinks(pages[0]!.text).map(({ target }) => target)).toEqual(['sub/b.md#two', '../tools/test.ts']));

  it('are dead without their file or anchor', () =>
    expect(findDeadLinks(root, pages)).toEqual([
      'docs/sub/b.md:7: docs/a.md has no heading with the anchor #none',
      'docs/sub/b.md:7: there is no docs/sub/c.md',
    ]));

  it('lead to pages of the site, and files that are none are named', () =>
    expect(aimLinks(pages[0]!, pages)).toBe(
      pages[0]!.text.replace('(sub/', '(./sub/').replace('[code](../tools/test.ts)', 'code'),
    ));

  it('have the anchors that GitHub makes', () => {
    expect([...listAnchors('# 1. Nothing that `can` be: trained\n## Two\n## Two\n')]).toEqual([
      '1-nothing-that-can-be-trained',
      'two',
      'two-1',
    ]);
    expect(blankCode('a `b` c')).toHaveLength(7);
  });
});
