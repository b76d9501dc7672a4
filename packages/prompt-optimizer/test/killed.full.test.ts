import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChildProcess } from 'node:child_process';
import { seededRandom } from '@agent-lightning/core';
import { checkSpending, SpendMeter } from '@agent-lightning/run';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runProgram } from './capitals/kill-search.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'killed-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('a search over found prompts that is killed', () => {
  const readEnd = async (name: string): Promise<readonly unknown[]> =>
    await Promise.all(
      ['candidates.json', 'prompts.json', 'found-prompts.json'].map((file) =>
        readFile(join(folder, name, 'model', file), 'utf8'),
      ),
    );

  it('while it finds them, and right after, goes on to the very same end', { timeout: 1_200_000 }, async () => {
    const whole = await runProgram('found-run.ts', [join(folder, 'whole'), 'begin']);
    const events = whole.lines.filter((line) => /^(ran|answered|asked) /.test(line));
    const finding = events.filter((event) => event.includes('.find.'));
    expect(finding).toHaveLength(8);
    // Every moment of the finding step, the first ones of the search, and the first question to the reflection model.
    const moments = [...finding, ...events.filter((event) => !event.includes('.find.')).slice(0, 3), 'asked 1'];
    for (const [index, moment] of moments.entries()) {
      const name = `killed-${index}`;
      const killed = await runProgram('found-run.ts', [join(folder, name), 'begin', moment], (line, child) => {
        if (line === moment) child.kill('SIGKILL');
      });
      expect([moment, killed.signal]).toEqual([moment, 'SIGKILL']);
      const resumed = await runProgram('found-run.ts', [join(folder, name), 'resume']);
      expect([moment, resumed.code]).toEqual([moment, 0]);
      expect([moment, await readEnd(name)]).toEqual([moment, await readEnd('whole')]);
    }
  });
});

/** A model that answers with a score or a new prompt, and counts what it answered. */
async function startPaidModel(onAsked: (number: number, answer: () => void) => void) {
  const counts = { asked: 0, answered: 0 };
  const server = createServer(async (request, response: ServerResponse) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const { messages } = JSON.parse(Buffer.concat(pieces).toString()) as { messages: [{ content: string }] };
    const [{ content: asked }] = messages;
    const [, current] = /as it is now\n\n([\s\S]*?)\n\n# Example/.exec(asked) ?? [];
    const content = current === undefined ? 'Fine. <score>5</score>' : `<new_prompt>${current} Again.</new_prompt>`;
    const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
    counts.asked += 1;
    onAsked(counts.asked, () => {
      if (response.destroyed) return;
      counts.answered += 1;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ choices: [{ message: { content } }], usage }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => void (server.closeAllConnections(), server.close());
  return { counts, close, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
}

/** Reads what the run has spent, as the next process of it will. */
async function readCalls(runDirectory: string): Promise<number> {
  const path = join(runDirectory, 'spend.jsonl');
  if (!existsSync(path)) return 0;
  const meter = await SpendMeter.open({ rules: checkSpending('test', {}), path, onWarning: () => undefined });
  const { parts } = meter.spend;
  return parts.judge.calls + parts.optimizer.calls;
}

describe('the ledger of a run that is killed again and again', () => {
  it('forgets no call that was answered, and counts none twice', { timeout: 1_200_000 }, async () => {
    const runDirectory = join(folder, 'exact');
    const random = seededRandom(11, 'kills');
    let child: ChildProcess | undefined;
    let killAt = 0;
    // The call at which the process dies is never answered; the process lives until it has written down those before.
    const model = await startPaidModel((number, answer) => {
      if (number < killAt) return answer();
      void waitForLedger(runDirectory, () => model.counts.answered).then(() => child!.kill('SIGKILL'));
    });
    for (let kill = 0; kill < 8; kill += 1) {
      killAt = model.counts.asked + 1 + Math.floor(random() * 7);
      const mode = kill === 0 ? 'begin' : 'resume';
      const ended = await runProgram('spend-run.ts', [runDirectory, mode, model.baseUrl], undefined, (started) => {
        child = started;
      });
      if (ended.signal !== 'SIGKILL') break; // the run came to its end before
      expect([kill, await readCalls(runDirectory)]).toEqual([kill, model.counts.answered]);
    }
    killAt = Infinity;
    const { lines, code } = await runProgram('spend-run.ts', [runDirectory, 'resume', model.baseUrl]);
    model.close();
    const { answered } = model.counts;
    expect([code, JSON.parse(lines.at(-1)!)]).toEqual([
      0,
      { calls: answered, tokens: 10 * answered, usd: (10 * answered) / 1e6 },
    ]);
  });

  it('lacks at most the calls that were in flight, wherever it is killed', { timeout: 1_200_000 }, async () => {
    const runDirectory = join(folder, 'random');
    const random = seededRandom(12, 'kills');
    let child: ChildProcess | undefined;
    let killAt = 0;
    let kills = 0;
    const model = await startPaidModel((number, answer) => {
      answer();
      if (number >= killAt) child!.kill('SIGKILL');
    });
    for (; kills < 10; kills += 1) {
      killAt = model.counts.asked + 1 + Math.floor(random() * 6);
      const mode = kills === 0 ? 'begin' : 'resume';
      const ended = await runProgram('spend-run.ts', [runDirectory, mode, model.baseUrl], undefined, (started) => {
        child = started;
      });
      if (ended.signal !== 'SIGKILL') break;
    }
    killAt = Infinity;
    const { lines } = await runProgram('spend-run.ts', [runDirectory, 'resume', model.baseUrl]);
    model.close();
    const { calls } = JSON.parse(lines.at(-1)!) as { calls: number };
    // Two rollouts run at once, each with one call that is answered or about to be written down.
    expect(calls).toBeLessThanOrEqual(model.counts.answered);
    expect(calls).toBeGreaterThanOrEqual(model.counts.answered - kills * 2 * 2);
    expect(kills).toBeGreaterThan(4);
  });
});

/** Waits until the ledger has every call that was answered; the test's own time limit ends a wait in vain. */
async function waitForLedger(runDirectory: string, answered: () => number): Promise<void> {
  for (;;) {
    const calls = await readCalls(runDirectory).catch(() => -1); // the file is written to at this moment
    if (calls === answered()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
