import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig, type DefaultTheme } from 'vitepress';
import { slugOf } from '../../tools/docs/slug.ts';

/** The site is built from a copy of the documents, whose links lead to the pages of the site: `npm run docs:build`. */
const site = join(import.meta.dirname, '../../.cache/site');

type Items = DefaultTheme.SidebarItem[];

function titleOf(page: string): string {
  return /^# (.*)$/m.exec(readFileSync(join(site, `${page}.md`), 'utf8'))?.[1]?.replaceAll('`', '') ?? page;
}

const list = (...pages: string[]): Items => pages.map((page) => ({ text: titleOf(page), link: `/${page}` }));

const listFolder = (folder: string): Items =>
  list(
    ...readdirSync(join(site, folder))
      .filter((file) => file.endsWith('.md') && file !== 'index.md')
      .toSorted()
      .map((file) => `${folder}/${file.slice(0, -3)}`),
  );

const sidebar: Items = [
  { text: 'Start', items: list('start') },
  { text: 'Your agent', items: [...listFolder('agents'), ...listFolder('quickstarts')] },
  { text: 'Your model', items: list('your-model', 'models', 'gpu', 'vllm') },
  { text: 'Rewards', items: list('rewards', 'verdict', 'why-no-learning') },
  {
    text: 'How to',
    items: [
      ...listFolder('how-to'),
      ...list('dashboard', 'production', 'observability', 'regression-tests', 'algorithms'),
    ],
  },
  {
    text: 'Reference',
    items: list(
      'command',
      'reference/options',
      'reference/errors',
      'reference/metrics',
      'adapters',
      'security',
      'glossary',
    ),
  },
  { text: 'API', collapsed: true, items: listFolder('api') },
  { text: 'Packages', collapsed: true, items: listFolder('packages') },
  { text: 'Examples', collapsed: true, items: listFolder('examples') },
  { text: 'Explained', items: list('how-it-works', 'architecture', 'algorithm') },
  { text: 'Decisions', collapsed: true, items: listFolder('decisions') },
];

export default defineConfig({
  title: 'Agent Lightning for JavaScript',
  description: 'Trains the agents that JavaScript teams already run.',
  srcDir: '../.cache/site',
  cacheDir: '../.cache/vitepress',
  cleanUrls: true,
  // A dead link fails the build.
  ignoreDeadLinks: false,
  vite: { build: { chunkSizeWarningLimit: 4_000 } },
  markdown: { anchor: { slugify: slugOf } },
  themeConfig: { sidebar, outline: [2, 3], search: { provider: 'local' } },
});
