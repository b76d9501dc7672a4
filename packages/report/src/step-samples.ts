import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { BatchRow, JsonValue } from '@agent-lightning/core';
import type { RunContext, TrainingStepResult } from '@agent-lightning/trainer';
import type { RunDirectory } from '@agent-lightning/run';

/** A stretch of a row that was sampled and trained on. */
export interface SampledSegment {
  readonly agentName: string;
  readonly callIndex: number;
  readonly policyVersion: number;
  /** `tokens[start..end)` of the row. */
  readonly start: number;
  readonly end: number;
  readonly advantage: number;
}

/** A training row as it went to the backend; arrays have the shape (T,). */
export interface SampledRow {
  readonly tokens: readonly number[];
  /** Text of each token, where the backend can tell. */
  readonly texts?: readonly string[];
  readonly lossMask: readonly number[];
  /** Nats. */
  readonly logprobs: readonly number[];
  readonly segments: readonly SampledSegment[];
}

/** One rollout of a training step, token by token. */
export interface SampledRollout {
  readonly rolloutId: string;
  readonly groupId: string;
  readonly task: JsonValue;
  readonly reward: number | undefined;
  readonly rows: readonly SampledRow[];
}

export interface StepSample {
  readonly step: number;
  readonly rollouts: readonly SampledRollout[];
}

/** Groups of a step that are kept, and rollouts of each. */
const keptGroups = 2;
const keptRollouts = 4;

/** Keeps a few rollouts of the first and of the newest step for the report. */
export class StepSamples {
  readonly #directory: RunDirectory;
  #last: StepSample | undefined;

  constructor(directory: RunDirectory) {
    this.#directory = directory;
  }

  /** Takes the sample of a step that is done; the first step's goes to its file at once, the newest one's by `flush`. */
  async keep<Task>(result: TrainingStepResult, context: RunContext<Task>): Promise<void> {
    if (result.batch.rows.length === 0) return;
    const sample = { step: result.step, rollouts: chooseRollouts(result) };
    if (existsSync(this.#pathOf('first')) && result.step > 1) {
      this.#last = sample;
      return;
    }
    const { backend } = context.options;
    await this.#write('first', await withTexts(sample, backend.tokenTexts?.bind(backend)));
  }

  /** Writes the newest step's sample, with the texts of its tokens. */
  async flush<Task>(context: RunContext<Task>): Promise<void> {
    if (this.#last === undefined) return;
    const { backend } = context.options;
    await this.#write('last', await withTexts(this.#last, backend.tokenTexts?.bind(backend)));
  }

  /** What was kept, first step first. */
  async read(): Promise<readonly StepSample[]> {
    const samples: StepSample[] = [];
    for (const name of ['first', 'last'] as const) {
      if (existsSync(this.#pathOf(name)))
        samples.push(JSON.parse(await readFile(this.#pathOf(name), 'utf8')) as StepSample);
    }
    return samples;
  }

  #pathOf(name: 'first' | 'last'): string {
    return this.#directory.file('samples', `${name}.json`);
  }

  async #write(name: 'first' | 'last', sample: StepSample): Promise<void> {
    await this.#directory.writeFile(JSON.stringify(sample), 'samples', `${name}.json`);
  }
}

/** Of the first groups with rows, the best and the worst rollouts. */
function chooseRollouts({ batch, episodes }: TrainingStepResult): readonly SampledRollout[] {
  const byRollout = Map.groupBy(batch.rows, (row) => row.rolloutId);
  return batch.groupIds.slice(0, keptGroups).flatMap((groupId) => {
    const own = episodes
      .filter(({ rollout }) => (rollout.groupId ?? rollout.rolloutId) === groupId && byRollout.has(rollout.rolloutId))
      .toSorted((a, b) => (b.reward ?? 0) - (a.reward ?? 0));
    const half = Math.ceil(keptRollouts / 2);
    const chosen = own.length <= keptRollouts ? own : [...own.slice(0, half), ...own.slice(half - keptRollouts)];
    return chosen.map(({ rollout, reward, transitions }): SampledRollout => ({
      rolloutId: rollout.rolloutId,
      groupId,
      task: rollout.input,
      reward,
      rows: byRollout
        .get(rollout.rolloutId)!
        .map((row) => toSampledRow(row, (callIndex) => transitions[callIndex]?.agentName ?? '')),
    }));
  });
}

function toSampledRow(row: BatchRow, agentNameOf: (callIndex: number) => string): SampledRow {
  return {
    tokens: [...row.tokens],
    lossMask: [...row.lossMask],
    logprobs: Array.from(row.logprobs, (value) => Number(value.toPrecision(4))),
    segments: row.segments.map(({ callIndex, policyVersion, start, end, advantage }) => ({
      agentName: agentNameOf(callIndex),
      callIndex,
      policyVersion,
      start,
      end,
      advantage,
    })),
  };
}

async function withTexts(
  sample: StepSample,
  tokenTexts: ((tokens: Int32Array) => Promise<readonly string[]>) | undefined,
): Promise<StepSample> {
  if (tokenTexts === undefined) return sample;
  const rollouts: SampledRollout[] = [];
  for (const rollout of sample.rollouts) {
    const rows: SampledRow[] = [];
    for (const row of rollout.rows) rows.push({ ...row, texts: await tokenTexts(Int32Array.from(row.tokens)) });
    rollouts.push({ ...rollout, rows });
  }
  return { ...sample, rollouts };
}
