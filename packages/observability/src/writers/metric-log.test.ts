import fc from 'fast-check';
import type { Clock } from '@agent-lightning/platform';
import { describe, expect, it } from 'vitest';
import { MetricLog } from './metric-log.ts';
import type { MetricPoint, MetricRun, MetricWriter, RunOutcome } from './metric-writer.ts';

const run: MetricRun = { runId: 'r', runDirectory: '/runs/r', startedAtMs: 0, config: {} };

/** A tracker in memory that can be away. */
class TestTracker implements MetricWriter {
  readonly name = 'tracker';
  isAway = false;
  /** True when a reply is lost after the work was done. */
  losesReplies = false;
  readonly values: (readonly [step: number, name: string, value: number])[] = [];
  outcome: RunOutcome | undefined;

  async begin(): Promise<Readonly<Record<string, number>>> {
    this.#check();
    return Object.fromEntries(this.values.map(([step, name]) => [name, step]));
  }

  async write(points: readonly MetricPoint[]): Promise<void> {
    this.#check();
    for (const { step, values } of points)
      for (const [name, value] of Object.entries(values)) this.values.push([step, name, value]);
    if (this.losesReplies) throw new Error('the reply was lost');
  }

  async end(outcome: RunOutcome): Promise<void> {
    this.#check();
    this.outcome = outcome;
  }

  #check(): void {
    if (this.isAway) throw new Error('connection refused');
  }
}

function open(writers: readonly MetricWriter[], clock?: Clock) {
  const lines: string[] = [];
  const tell = (line: string): void => void lines.push(line);
  const logger = { info: tell, warn: tell, error: tell };
  return { log: new MetricLog({ writers, run, logger, ...(clock && { clock }) }), lines };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('MetricLog', () => {
  it('writes numbers by their paths, and nothing else', async () => {
    const tracker = new TestTracker();
    const { log } = open([tracker]);
    log.begin([]);
    log.add({ step: 1, reward: { mean: 0.5, byKind: { easy: 1 }, earned: [0, 1] }, bad: NaN, name: 'x' } as never);
    await log.end('completed');
    expect(tracker.values).toEqual([
      [1, 'reward/mean', 0.5],
      [1, 'reward/byKind/easy', 1],
    ]);
    expect(tracker.outcome).toBe('completed');
  });

  it('gives a writer that was away what it missed, and tells of it once', async () => {
    const tracker = new TestTracker();
    const { log, lines } = open([tracker]);
    tracker.isAway = true;
    log.begin([]);
    for (const step of [1, 2, 3]) {
      log.add({ step, value: step } as never);
      await settled();
    }
    expect(lines).toEqual(['tracker takes no metrics: connection refused; the run goes on, and each step tries again']);
    tracker.isAway = false;
    log.add({ step: 4, value: 4 } as never);
    await log.end('completed');
    expect(tracker.values.map(([step]) => step)).toEqual([1, 2, 3, 4]);
    expect(lines.slice(1)).toEqual(['tracker takes metrics again, and has those of the steps before']);
  });

  it('does not end a writer that never began, and says so', async () => {
    const tracker = new TestTracker();
    tracker.isAway = true;
    const { log, lines } = open([tracker]);
    log.begin([]);
    await log.end('completed');
    expect(tracker.outcome).toBeUndefined();
    expect(lines).toEqual([
      'tracker takes no metrics: connection refused; the run goes on, and each step tries again',
      'tracker has not been told that the run ended',
    ]);
  });

  it('says at the end what was not taken, and waits no longer than half a minute for a writer that hangs', async () => {
    const tracker = new TestTracker();
    tracker.begin = () => new Promise(() => {});
    const waits: number[] = [];
    const clock: Clock = { now: () => 0, wait: (ms) => (waits.push(ms), Promise.resolve()) };
    const { log, lines } = open([tracker], clock);
    log.begin([]);
    log.add({ step: 1, value: 1 } as never);
    await log.end('interrupted');
    expect(waits).toEqual([30_000]);
    expect(lines).toEqual([
      expect.stringMatching(/^tracker has not taken the metrics of 1 step; they are in .*metrics\.jsonl/),
    ]);
  });

  it('writes each figure once, whatever is lost, and whenever the run is resumed', async () => {
    const events = fc.array(fc.constantFrom('step', 'away', 'back', 'lose replies', 'resume'), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(events, async (happened) => {
        const tracker = new TestTracker();
        const kept: { readonly step: number; readonly value: number }[] = [];
        let { log } = open([tracker]);
        log.begin([]);
        for (const event of happened) {
          if (event === 'step') {
            kept.push({ step: kept.length + 1, value: kept.length });
            log.add(kept.at(-1)!);
          } else if (event === 'resume') {
            ({ log } = open([tracker])); // the process was killed after a step that no checkpoint holds
            log.begin(kept.slice(0, -1));
            if (kept.length > 0) log.add(kept.at(-1)!);
          } else if (event === 'lose replies') tracker.losesReplies = true;
          else tracker.isAway = event === 'away';
          if (event === 'back') tracker.losesReplies = false;
          await settled();
        }
        tracker.isAway = false;
        tracker.losesReplies = false;
        await log.end('completed');
        expect(tracker.values).toEqual(kept.map(({ step, value }) => [step, 'value', value]));
      }),
      { numRuns: 50 },
    );
  });
});
