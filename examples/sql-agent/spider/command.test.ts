import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { readLastLine, runQuickstart } from './run-quickstart.ts';
import { writeSmallSpider } from './small-spider.ts';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'spider-command-'));
  writeSmallSpider(directory);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('the quickstart, on a data set in the layout of Spider', () => {
  it('shows in a dry run real answers and rewards, of the data set and of the agent', async () => {
    const ended = await runQuickstart('--spider', directory, '--dry-run', '--json');
    expect(ended.stdout).toContain(
      'List all cars by price.\n  SELECT model, price FROM car ORDER BY price\n  3 rows, first: Foxer, 100 · reward 1\n',
    );
    const [ofData, ofAgent] = ended.stdout.split('the queries of the agent:');
    expect(ofData!.match(/· reward 1\n/g)).toHaveLength(4);
    expect(ofAgent).toMatch(/· reward [01]\n/);
    expect(readLastLine(ended)).toMatchObject({ rollouts: 16, groups: 4 });
    expect(ended.code).toBe(readLastLine(ended)['ok'] === true ? 0 : 1);
  });

  it('says what is missing', async () => {
    const { code, stderr } = await runQuickstart('--spider', join(directory, 'database'));
    expect(code).toBe(1);
    expect(stderr).toMatch(/database has none of train_spider\.parquet, train_spider\.json.*\(option-invalid\)/);
    expect(stderr).not.toMatch(/^ {4}at /m);
  });
});
