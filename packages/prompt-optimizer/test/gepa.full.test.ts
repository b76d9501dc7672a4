import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { seededRandom } from '@agent-lightning/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gepa-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Runs a search in a process, and returns the events that it told; the process is killed at one of them. */
async function runSearch(name: string, mode: 'begin' | 'resume', killAt = ''): Promise<readonly string[]> {
  const flags = ['--conditions=@agent-lightning/source', '--disable-warning=ExperimentalWarning'];
  const program = join(import.meta.dirname, 'capitals/search-run.ts');
  const child = spawn(process.execPath, [...flags, program, join(folder, name), mode, killAt], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const events: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    events.push(line);
    if (line === killAt) child.kill('SIGKILL');
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect([code, signal]).toEqual(killAt === '' ? [0, null] : [null, 'SIGKILL']);
  return events;
}

const readCandidates = async (name: string): Promise<string> =>
  await readFile(join(folder, name, 'model/candidates.json'), 'utf8');

describe('a search that is killed', () => {
  it('at 50 moments goes on each time to the very same end', { timeout: 1_800_000 }, async () => {
    const events = (await runSearch('whole', 'begin')).filter((event) => /^(ran|asked) /.test(event));
    const random = seededRandom(7, 'moments');
    const moments = Array.from({ length: 50 }, () => events[Math.floor(random() * events.length)]!);
    const left = [...moments.entries()];
    /** Kills one search after the other; four such lanes run side by side. */
    const killSome = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const name = `killed-${next[0]}`;
        await runSearch(name, 'begin', next[1]);
        await runSearch(name, 'resume');
        expect(await readCandidates(name)).toEqual(await readCandidates('whole'));
      }
    };
    await Promise.all([killSome(), killSome(), killSome(), killSome()]);
  });
});
