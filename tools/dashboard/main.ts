/**
 * Visits every page of the dashboard in a real Chromium, over a run that ended, one that failed and one that goes on, all with hostile
 * content: no errors on the console, every page by the keyboard, texts that can be read, and nothing that runs.
 *
 *     npm run test:dashboard              (all)
 *     npm run test:dashboard -- --json    (the last line is one JSON object)
 *     npm run test:dashboard -- --only rollout --screenshots /tmp/pictures    (the pages with this in their name, and the paths through them)
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startDashboard } from '@agent-lightning/dashboard';
import { makePromptRun } from './make-prompt-run.ts';
import { hostileName, makeFailedRun, makeFinishedRun, startLiveRun } from './make-runs.ts';
import { expectAddress, followPath, keyboardPaths, walkPage } from './keyboard-paths.ts';
import { openChromium } from './open-chromium.ts';
import { shapes, Visitor, type Tally } from './visitor.ts';

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, screenshots: { type: 'string' }, only: { type: 'string' } },
});
const pictures = values.screenshots ?? join(tmpdir(), 'dashboard-screenshots');
/** The key by which notes are written. */
const adminKey = 'a key of a test, which is no secret';
process.exitCode = await main();

async function main(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'dashboard-'));
  mkdirSync(pictures, { recursive: true });
  const live = await startLiveRun(folder);
  const browser = await openChromium();
  try {
    await makeFinishedRun(folder, 12);
    await makeFailedRun(folder);
    await makePromptRun(folder);
    await using dashboard = Object.assign(await startDashboard({ source: folder, adminKey }), {
      async [Symbol.asyncDispose](this: { close(): Promise<void> }) {
        await this.close();
      },
    });
    const visitor = new Visitor(browser, dashboard.url, pictures);
    const keyboard: Tally = { checked: 0, problems: [] };
    for (const [name, path, ready] of [...listPages(), ...listReports(folder)]) {
      if (values.only !== undefined && !name.includes(values.only)) continue;
      console.error(`visiting ${path}`);
      await visitor.visit(name, path, ready, async (page) => await walkPage(page, keyboard, path));
    }
    for (const path of keyboardPaths(encodeURIComponent(hostileName), adminKey))
      await followPath(visitor, keyboard, path);
    await checkMouse(visitor, keyboard);
    await checkTabs(visitor);
    await checkLive(visitor, live);
    return conclude(visitor, keyboard);
  } finally {
    await live.finish();
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Lists every page: its name, its address, and what it shows when it is there. */
function listPages(): readonly (readonly [name: string, path: string, ready: string])[] {
  const ended = `/runs/${encodeURIComponent(hostileName)}`;
  const ofRun = (name: string, run: string, rollout: string, group: string): [string, string, string][] => [
    [`${name} overview`, run, '.figures'],
    [`${name} rollouts`, `${run}/rollouts`, '[role=row] a'],
    [`${name} rollout`, `${run}/rollouts/${rollout}`, '.conversation, .empty'],
    [`${name} waterfall`, `${run}/rollouts/${rollout}?view=waterfall`, '.waterfall, .empty'],
    [`${name} tokens`, `${run}/rollouts/${rollout}?view=tokens`, '.tokens-view'],
    [`${name} rollout samples`, `${run}/rollouts/${rollout}?view=samples`, '.tree, .empty'],
    [`${name} raw`, `${run}/rollouts/${rollout}?view=raw`, '.raw'],
    [`${name} groups`, `${run}/groups`, '.groups'],
    [`${name} group`, `${run}/groups/${group}`, '.side-by-side'],
    [`${name} samples`, `${run}/samples?step=1`, '.figures, .empty'],
    [`${name} live`, `${run}/live`, '.live-page'],
    [`${name} alerts`, `${run}/alerts`, 'h1'],
  ];
  return [
    ['runs', '/', 'table'],
    ...ofRun('ended', ended, 'run.s2.g1.k0', 'run.s2.g1'),
    ...ofRun('failed', '/runs/failed', 'run.s1.g0.k0', 'run.s1.g0'),
    ...ofRun('live', '/runs/live', 'run.s1.g0.k0', 'run.s1.g0'),
    ['prompts overview', '/runs/prompts', '.figures'],
    ['prompts', '/runs/prompts/prompts', '.heat-table'],
    ['prompts rollouts', '/runs/prompts/rollouts?task=0', '[role=row] a'],
    ['no prompts', `${ended}/prompts`, '.empty'],
    ['filtered', `${ended}/rollouts?steps=2-3&order=lowest&mode=train`, '[role=row] a'],
    ['nothing like this', `${ended}/rollouts?text=nothing-is-like-this`, '.empty'],
    ['wrong filter', `${ended}/rollouts?steps=many`, '[role=alert]'],
    ['no such page', '/nowhere', '[role=alert]'],
  ];
}

/** Lists the pages of the reports, which are opened from their files without a server. */
function listReports(folder: string): readonly (readonly [name: string, path: string, ready: string])[] {
  const ofReport = (name: string, run: string, rollout: string, group: string): [string, string, string][] => {
    const file = pathToFileURL(join(folder, run, 'report.html')).href;
    const at = (...parts: string[]): string => `${file}#/runs/${encodeURIComponent(run)}${parts.join('')}`;
    return [
      [`report ${name}`, file, '.figures'],
      [`report ${name} rollouts`, at('/rollouts'), '[role=row] a'],
      [`report ${name} filtered`, at('/rollouts?steps=1-2&order=lowest'), '[role=row] a'],
      [`report ${name} rollout`, at('/rollouts/', rollout), '.conversation'],
      [`report ${name} tokens`, at('/rollouts/', findTokens(file), '?view=tokens'), '.tokens-view'],
      [`report ${name} groups`, at('/groups'), '.groups'],
      [`report ${name} group`, at('/groups/', group), '.side-by-side'],
      [`report ${name} alerts`, at('/alerts'), 'h1'],
      [`report ${name} not in the file`, at('/rollouts/none'), '[role=alert]'],
    ];
  };
  return [
    ...ofReport('ended', hostileName, 'run.s12.g0.k0', 'run.s12.g0'),
    ...ofReport('failed', 'failed', 'run.s1.g0.k0', 'run.s1.g0'),
  ];
}

/** Finds a rollout that a report has token by token. */
function findTokens(file: string): string {
  const [, id] = /"[^"]*\/rollouts\/([^"/]+)\/tokens":/.exec(readFileSync(fileURLToPath(file), 'utf8')) ?? [];
  if (id === undefined) throw new TypeError(`${file} has no rollout token by token`);
  return id;
}

/** Checks that a click on a chart shows the rollouts of a step, and a drag those of an interval. */
async function checkMouse(visitor: Visitor, tally: Tally): Promise<void> {
  const path = `/runs/${encodeURIComponent(hostileName)}`;
  const gestures = [
    ['a click', 0.5, 0.5, /\/rollouts\?steps=\d+$/],
    ['a drag', 0.3, 0.8, /\/rollouts\?steps=\d+-\d+$/],
  ] as const;
  for (const [name, from, to, wanted] of gestures) {
    const context = await visitor.newContext(shapes[0]);
    const page = await visitor.open(context, path, 'figure.chart canvas');
    const box = (await page.locator('.u-over').first().boundingBox())!;
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * from, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * to, y, { steps: 5 });
    await page.mouse.up();
    tally.checked += 1;
    const problem = await expectAddress(page, wanted);
    if (problem !== undefined) tally.problems.push(`${name} on the curve: ${problem}`);
    await context.close();
  }
}

/** Opens more tabs than a browser has connections to one server; the one that is seen shows its page all the same. */
async function checkTabs(visitor: Visitor): Promise<void> {
  const context = await visitor.newContext(shapes[0]);
  const path = '/runs/live/rollouts';
  for (let tabs = 0; tabs < 7; tabs += 1) {
    const page = await visitor.open(context, path, '[role=row] a');
    // Without a window no tab is in front of another, so each is told that it is not seen any more.
    await page.evaluate(() => {
      Object.defineProperty(document, 'visibilityState', { value: 'hidden' });
      document.dispatchEvent(new Event('visibilitychange'));
    });
  }
  await context.close();
}

/** Checks that the pages of a live run follow it without being loaded again. */
async function checkLive(visitor: Visitor, live: Awaited<ReturnType<typeof startLiveRun>>): Promise<void> {
  const context = await visitor.newContext(shapes[0]);
  const rollouts = await visitor.open(context, '/runs/live/rollouts?steps=2&status=succeeded', '.empty');
  const overview = await visitor.open(context, '/runs/live', '.badge.live');
  const works = await visitor.open(context, '/runs/live/live', '.live-page table');
  // The run's own gateway is asked, in another place than this page.
  await works.locator('dd', { hasText: /^http:\/\/127\.0\.0\.1:\d+$/ }).waitFor({ timeout: 10_000 });
  await works.locator('.live-page td', { hasText: /left$/ }).first().waitFor({ timeout: 10_000 });
  live.goOn();
  await rollouts.locator('[role=row] a').first().waitFor({ timeout: 60_000 });
  await overview.getByText('Steps 1 to 2.').first().waitFor({ state: 'attached', timeout: 60_000 });
  await live.finish();
  await overview.locator('.badge.good', { hasText: 'completed' }).waitFor({ timeout: 60_000 });
  await works.getByText('No process trains in the run directory.').waitFor({ timeout: 60_000 });
  await context.close();
}

function conclude({ pages, errors, contrast, hostile }: Visitor, keyboard: Tally): number {
  const parts = { errors: { checked: pages, problems: errors }, keyboard, contrast, hostile };
  for (const [name, { problems }] of Object.entries(parts))
    for (const problem of new Set(problems)) console.error(`${name}: ${problem}`);
  const count = ({ checked, problems }: Tally): object => ({ checked, failed: problems.length });
  console.log(`screenshots: ${pictures}`);
  const result = {
    pages,
    errors: errors.length,
    keyboard: count(keyboard),
    contrast: count(contrast),
    hostile: count(hostile),
  };
  if (values.json) console.log(JSON.stringify(result));
  else
    console.log(
      `${pages} pages, ${errors.length} errors, keyboard ${keyboard.problems.length}, contrast ${contrast.problems.length}, hostile ${hostile.problems.length}`,
    );
  return Object.values(parts).every(({ problems }) => problems.length === 0) ? 0 : 1;
}
