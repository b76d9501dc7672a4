import type { BrowserContext, Page } from 'playwright-core';
import { attacks } from './attacks.ts';
import { shapes, type Tally, type Visitor } from './visitor.ts';

/** The most presses of Tab until the content of a page must be reached. */
const mostTabs = 60;

/** Walks through a page by Tab: its first stop leads to the content, every stop can be seen, and the content is reached. */
export async function walkPage(page: Page, tally: Tally, path: string): Promise<void> {
  tally.checked += 1;
  const seen: string[] = [];
  for (let press = 0; press < mostTabs; press += 1) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate(readStop);
    if (stop === undefined) break;
    if (press === 0 && stop.text !== 'Skip to the content')
      tally.problems.push(`${path}: the first stop is ${stop.text}`);
    if (!stop.isMarked) tally.problems.push(`${path}: the stop ${stop.text} does not show that it has the focus`);
    seen.push(stop.text);
    if (stop.isContent) return;
  }
  const hasStops = await page.evaluate(
    () => document.querySelector('main :is(a[href], button, input, select, summary, [tabindex="0"])') !== null,
  );
  if (hasStops)
    tally.problems.push(
      `${path}: ${mostTabs} presses of Tab did not reach the content: ${seen.slice(0, 12).join(' · ')}`,
    );
}

function readStop(): { readonly text: string; readonly isMarked: boolean; readonly isContent: boolean } | undefined {
  const element = document.activeElement;
  if (element === null || element === document.body) return undefined;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const text = (element.getAttribute('aria-label') ?? element.textContent ?? '').trim().slice(0, 60);
  return {
    text,
    isMarked: outlineStyle !== 'none' && outlineWidth !== '0px',
    isContent: element.closest('main') !== null,
  };
}

/** Does by the keyboard alone what a page is for. */
export interface KeyboardPath {
  readonly name: string;
  readonly path: string;
  readonly ready: string;
  /** Presses keys, and returns what is wrong; undefined when it went well. */
  readonly go: (page: Page) => Promise<string | undefined>;
}

/** The paths through the pages of a run. @param adminKey the key by which notes are written */
export function keyboardPaths(run: string, adminKey: string): readonly KeyboardPath[] {
  return [
    {
      name: 'from an interval of the curve to its rollouts',
      path: `/runs/${run}`,
      ready: 'figure.chart canvas',
      go: async (page) => {
        await page.locator('figure.chart .plot').first().focus();
        for (const key of ['ArrowRight', 'ArrowRight', 'Shift+ArrowRight', 'Enter']) await page.keyboard.press(key);
        return await expectAddress(page, /\/rollouts\?steps=1-2$/);
      },
    },
    {
      name: 'from a stretch of time to its rollouts',
      path: `/runs/${run}`,
      ready: '.lanes[tabindex]',
      go: async (page) => {
        await page.locator('.lanes').focus();
        for (const key of ['ArrowRight', 'ArrowRight', 'Enter']) await page.keyboard.press(key);
        return await expectAddress(page, /\/rollouts\?steps=2$/);
      },
    },
    {
      name: 'from an alert to its curve',
      path: '/runs/failed/alerts',
      ready: '.evidence a',
      go: async (page) => {
        await page.getByRole('link', { name: 'Show the curve' }).first().focus();
        await page.keyboard.press('Enter');
        const wrong = await expectAddress(page, /\/runs\/failed\?metric=\w+$/);
        if (wrong !== undefined) return wrong;
        await page.locator('.metrics canvas').first().waitFor({ timeout: 10_000 });
        return undefined;
      },
    },
    {
      name: 'from a row of the table to a rollout',
      path: `/runs/${run}/rollouts`,
      ready: '[role=row] a',
      go: async (page) => {
        await page.locator('.window').focus();
        for (const key of ['ArrowDown', 'ArrowDown', 'End', 'Home', 'ArrowDown', 'Enter'])
          await page.keyboard.press(key);
        return await expectAddress(page, /\/rollouts\/[^/?]+$/);
      },
    },
    {
      name: 'from the filter to fewer rollouts, with the filter in the address',
      path: `/runs/${run}/rollouts`,
      ready: '[role=row] a',
      go: async (page) => {
        await page.getByLabel('steps').focus();
        await page.keyboard.type('2');
        await page.keyboard.press('Tab');
        const wrong = await expectAddress(page, /\/rollouts\?steps=2$/);
        if (wrong !== undefined) return wrong;
        await page.locator('.counts', { hasText: ' of ' }).waitFor({ timeout: 10_000 });
        return undefined;
      },
    },
    {
      name: 'over the tokens of a rollout',
      path: `/runs/${run}/rollouts/run.s1.g0.k0?view=tokens`,
      ready: '.token-detail',
      go: async (page) => {
        const [before] = await page.locator('.token-detail').allTextContents();
        await page.locator('.tokens[tabindex="0"]').first().focus();
        await page.keyboard.press('ArrowRight');
        const [after] = await page.locator('.token-detail').allTextContents();
        return after === before ? `the token stayed the same: ${String(before)}` : undefined;
      },
    },
    {
      name: 'from a rollout to a note on it, and to the rollouts with such a note',
      path: `/runs/${run}/rollouts/run.s1.g0.k1#key=${encodeURIComponent(adminKey)}`,
      ready: '.note-card button',
      go: async (page) => {
        if (page.url().includes('key=')) return `the key stayed in the address: ${page.url()}`;
        await page.getByRole('button', { name: 'Mark or comment' }).focus();
        await page.keyboard.press('Enter');
        await page.getByRole('button', { name: 'good', exact: true }).focus();
        await page.keyboard.press('Space');
        await page.getByLabel('comment').focus();
        await page.keyboard.type(attacks[0]!);
        await page.getByRole('button', { name: 'Save' }).focus();
        await page.keyboard.press('Enter');
        await page.locator('.note-card .badge', { hasText: 'good' }).waitFor({ timeout: 10_000 });
        await page.goto(`${new URL(page.url()).origin}/runs/${run}/rollouts?note=good`);
        const row = page.locator('[role=row]', { hasText: 'note: good' }).first();
        await row.waitFor({ timeout: 10_000 });
        return undefined;
      },
    },
    {
      name: 'from a candidate to what it changes',
      path: '/runs/prompts/prompts',
      ready: '.heat-table',
      go: async (page) => {
        await page.getByLabel('with the code').focus();
        await page.keyboard.press('Space');
        const wrong = await expectAddress(page, /\/prompts\?from=[^&]+&to=[^&]+$/);
        if (wrong !== undefined) return wrong;
        await page.locator('h2', { hasText: 'What the code changes' }).waitFor({ timeout: 10_000 });
        return undefined;
      },
    },
    {
      name: 'to the dark colours and back',
      path: `/runs/${run}`,
      ready: 'figure.chart canvas',
      go: async (page) => {
        await page.getByRole('button', { name: /dark colours/ }).focus();
        await page.keyboard.press('Enter');
        const dark = await page.evaluate(() => document.documentElement.dataset['theme']);
        await page.keyboard.press('Enter');
        const light = await page.evaluate(() => document.documentElement.dataset['theme']);
        return dark === 'dark' && light === 'light' ? undefined : `the themes were ${dark} and ${light}`;
      },
    },
  ];
}

/** Follows one path. */
export async function followPath(
  visitor: Visitor,
  tally: Tally,
  { name, path, ready, go }: KeyboardPath,
): Promise<void> {
  await inContext(visitor, async (context) => {
    const page = await visitor.open(context, path, ready);
    tally.checked += 1;
    const problem = await go(page);
    if (problem !== undefined) tally.problems.push(`${name} (${path}): ${problem}`);
  });
}

async function inContext(visitor: Visitor, work: (context: BrowserContext) => Promise<void>): Promise<void> {
  const context = await visitor.newContext(shapes[0]);
  try {
    await work(context);
  } finally {
    await context.close();
  }
}

/** Waits for an address; returns the one that is there when it does not come. */
export async function expectAddress(page: Page, wanted: RegExp): Promise<string | undefined> {
  try {
    await page.waitForURL(wanted, { timeout: 10_000, waitUntil: 'commit' });
    return undefined;
  } catch {
    return `the address is ${page.url()}, and should be like ${wanted}`;
  }
}
