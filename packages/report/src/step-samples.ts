import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { RolloutSample } from '@agent-lightning/core';
import type { RunDirectory } from '@agent-lightning/run';
import type { ReportContext } from './report-data.ts';

/** A few rollouts of one step. */
export interface StepSample {
  readonly step: number;
  readonly rollouts: readonly RolloutSample[];
}

type TokenTexts = ReportContext['tokenTexts'];

/** Keeps a few rollouts of the first and of the newest step for the report. */
export class StepSamples {
  readonly #directory: RunDirectory;
  #last: StepSample | undefined;

  constructor(directory: RunDirectory) {
    this.#directory = directory;
  }

  /** Takes the sample of a step that is done; the first step's goes to its file at once, the newest one's by `flush`. */
  async keep(sample: StepSample, { tokenTexts }: Pick<ReportContext, 'tokenTexts'>): Promise<void> {
    if (sample.rollouts.length === 0) return;
    if (existsSync(this.#pathOf('first')) && sample.step > 1) {
      this.#last = sample;
      return;
    }
    await this.#write('first', await withTexts(sample, tokenTexts));
  }

  /** Writes the newest step's sample, with the texts of its tokens. */
  async flush({ tokenTexts }: Pick<ReportContext, 'tokenTexts'>): Promise<void> {
    if (this.#last === undefined) return;
    await this.#write('last', await withTexts(this.#last, tokenTexts));
  }

  /** Reads what was kept, first step first. */
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

async function withTexts(sample: StepSample, tokenTexts: TokenTexts): Promise<StepSample> {
  if (tokenTexts === undefined) return sample;
  const rollouts: RolloutSample[] = [];
  for (const rollout of sample.rollouts) {
    const rows: RolloutSample['rows'][number][] = [];
    for (const row of rollout.rows) rows.push({ ...row, texts: await tokenTexts(Int32Array.from(row.tokens)) });
    rollouts.push({ ...rollout, rows });
  }
  return { ...sample, rollouts };
}
