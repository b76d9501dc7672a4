import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { writeSmallSpider } from './small-spider.ts';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'spider-command-'));
  writeSmallSpider(directory);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function runExample(...args: readonly string[]): Promise<Ended> {
  const program = ['--conditions=@agent-lightning/source', join(import.meta.dirname, '../main.ts')];
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [...program, ...args], (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

const lastLine = ({ stdout }: Ended) => JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, unknown>;

describe('the quickstart, on a data set in the layout of Spider', () => {
  it('shows in a dry run real answers and rewards, of the data set and of the agent', async () => {
    const ended = await runExample('--spider', directory, '--dry-run', '--json');
    expect(ended.stdout).toContain(
      'List all cars by price.\n  SELECT model, price FROM car ORDER BY price\n  3 rows, first: Foxer, 100 · reward 1\n',
    );
    const [ofData, ofAgent] = ended.stdout.split('the queries of the agent:');
    expect(ofData!.match(/· reward 1\n/g)).toHaveLength(4);
    expect(ofAgent).toMatch(/· reward [01]\n/);
    expect(lastLine(ended)).toMatchObject({ rollouts: 16, groups: 4 });
    expect(ended.code).toBe(lastLine(ended)['ok'] === true ? 0 : 1);
  });

  it('trains on it, with the tiny model that knows nothing of it', async () => {
    const run = ['--run-directory', join(directory, 'run'), '--steps', '1', '--json'];
    const ended = await runExample('--spider', directory, ...run);
    expect(ended.code, ended.stderr).toBe(0);
    expect(lastLine(ended)).toMatchObject({ steps: 1, stopReason: 'completed', spider: directory });
  });

  it('says what is missing', async () => {
    const { code, stderr } = await runExample('--spider', join(directory, 'database'));
    expect(code).toBe(1);
    expect(stderr).toMatch(/database has none of train_spider\.parquet, train_spider\.json.*\(option-invalid\)/);
    expect(stderr).not.toMatch(/^ {4}at /m);
  });
});
