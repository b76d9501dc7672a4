import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it, onTestFinished } from 'vitest';

import { readLastLine, runQuickstart } from './run-quickstart.ts';
import { writeSmallSpider } from './small-spider.ts';

it('trains on a data set in the layout of Spider, with the tiny model that knows nothing of it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'spider-training-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  writeSmallSpider(directory);
  const run = ['--run-directory', join(directory, 'run'), '--steps', '1', '--json'];
  const ended = await runQuickstart('--spider', directory, ...run);
  expect(ended.code, ended.stderr).toBe(0);
  expect(readLastLine(ended)).toMatchObject({ steps: 1, stopReason: 'completed', spider: directory });
});
