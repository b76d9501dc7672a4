/**
 * Measures the dashboard over a store of 100,000 rollouts of 10 spans in a real Chromium: the time until the first rows are there, until a
 * filter has taken effect, frames of more than 50 ms while the table is scrolled, and the memory of the server.
 *
 *     npm run bench:dashboard -- --json
 *     npm run bench:dashboard -- --rollouts 10000 --directory /tmp/big    (a directory is filled once, and used again)
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import { openChromium } from '../../dashboard/open-chromium.ts';
import { makeStore } from './make-store.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rollouts: { type: 'string', default: '100000' },
    directory: { type: 'string' },
  },
});
const rollouts = Number(values.rollouts);
const spans = 10;
await main();

async function main(): Promise<void> {
  const directory = values.directory ?? mkdtempSync(join(tmpdir(), 'bench-dashboard-'));
  mkdirSync(directory, { recursive: true });
  const isFull = join(directory, `full-${rollouts}`);
  if (!existsSync(isFull)) {
    console.error(`writing ${rollouts} rollouts of ${spans} spans`);
    await makeStore(directory, { rollouts, spans, groupSize: 8, groupsPerStep: 8 });
    writeFileSync(isFull, '');
  }
  const child = spawn(process.execPath, [...process.execArgv, join(import.meta.dirname, 'serve.ts'), directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const browser = await openChromium();
  try {
    const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
    const name = encodeURIComponent(directory.split('/').at(-1)!);
    const result = {
      rollouts,
      spans,
      load: Number(loadavg()[0]!.toFixed(1)),
      ...(await measure(page, `${url}/runs/${name}/rollouts`)),
      serverMiB: readMemory(child.pid!),
    };
    console.log(values.json ? JSON.stringify(result) : result);
  } finally {
    await browser.close();
    child.kill();
    if (values.directory === undefined) rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(page: Page, address: string): Promise<object> {
  // A server that has just begun has read nothing: the first rows must not wait for the rest.
  const firstRowsMs = await timeOf(async () => {
    await page.goto(address, { waitUntil: 'commit' });
    await page.locator('[role=row] a').first().waitFor();
  });
  const [paint] = await page.evaluate(() =>
    performance.getEntriesByName('first-contentful-paint').map(({ startTime }) => startTime),
  );
  const allReadMs = await timeOf(async () => {
    await page.locator('.counts', { hasText: /^(?!.*still reading)/ }).waitFor({ timeout: 600_000 });
  });
  await page.goto(address);
  await page.locator('[role=row] a').first().waitFor();
  const again = await page.evaluate(() =>
    performance.getEntriesByName('first-contentful-paint').map(({ startTime }) => startTime),
  );
  const scroll = await page.evaluate(scrollThrough, 5_000);
  const filterMs = await timeOf(async () => {
    await page.getByLabel('failure code').fill('RangeError');
    await page.keyboard.press('Tab');
    await page.locator('.counts', { hasText: ' of ' }).waitFor();
  });
  return {
    firstPaintMs: Math.round(paint ?? Number.NaN),
    firstRowsMs,
    allReadMs: firstRowsMs + allReadMs,
    firstPaintAgainMs: Math.round(again[0] ?? Number.NaN),
    filterMs,
    ...scroll,
  };
}

/** Scrolls the table for a while, a screen at each frame, and counts the frames that took longer than 50 ms. */
async function scrollThrough(
  durationMs: number,
): Promise<{ readonly frames: number; readonly slowFrames: number; readonly slowestFrameMs: number }> {
  const table = document.querySelector('.window')!;
  const frames: number[] = [];
  const begin = performance.now();
  let before = begin;
  while (before - begin < durationMs) {
    table.scrollTop += 240;
    const now = await new Promise<number>((done) => requestAnimationFrame(() => done(performance.now())));
    frames.push(now - before);
    before = now;
  }
  return {
    frames: frames.length,
    slowFrames: frames.filter((frame) => frame > 50).length,
    slowestFrameMs: Math.round(Math.max(...frames)),
  };
}

async function timeOf(work: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await work();
  return Math.round(performance.now() - begin);
}

/** Reads the memory that a process holds, where the system tells it (Linux). */
function readMemory(pid: number): number | undefined {
  const path = `/proc/${pid}/status`;
  const kibibytes = existsSync(path) ? /^VmRSS:\s+(\d+)/m.exec(readFileSync(path, 'utf8'))?.[1] : undefined;
  return kibibytes === undefined ? undefined : Math.round(Number(kibibytes) / 1_024);
}
