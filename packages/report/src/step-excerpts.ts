import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { RolloutExcerpt } from '@agent-lightning/core';
import type { RunDirectory } from '@agent-lightning/run';

/** A few rollouts of one step. */
export interface StepExcerpt {
  readonly step: number;
  readonly rollouts: readonly RolloutExcerpt[];
}

/** Returns the text of each token; undefined where the backend cannot. */
export type TokenTexts = ((tokens: Int32Array) => Promise<readonly string[]>) | undefined;

/** Keeps a few rollouts of the first and of the newest step for the report. */
export class StepExcerpts {
  readonly #directory: RunDirectory;
  #last: StepExcerpt | undefined;

  constructor(directory: RunDirectory) {
    this.#directory = directory;
  }

  /** Takes the excerpt of a step that is done; the first step's is written to its file at once, the newest one's by `flush`. */
  async keep(excerpt: StepExcerpt, tokenTexts: TokenTexts): Promise<void> {
    if (excerpt.rollouts.length === 0) return;
    if (existsSync(this.#pathOf('first')) && excerpt.step > 1) {
      this.#last = excerpt;
      return;
    }
    await this.#write('first', await withTexts(excerpt, tokenTexts));
  }

  /** Writes the newest step's excerpt, with the texts of its tokens. */
  async flush(tokenTexts: TokenTexts): Promise<void> {
    if (this.#last === undefined) return;
    await this.#write('last', await withTexts(this.#last, tokenTexts));
  }

  /** Reads the excerpts that were kept, the first step's first. */
  async read(): Promise<readonly StepExcerpt[]> {
    const excerpts: StepExcerpt[] = [];
    for (const name of ['first', 'last'] as const) {
      if (existsSync(this.#pathOf(name)))
        excerpts.push(JSON.parse(await readFile(this.#pathOf(name), 'utf8')) as StepExcerpt);
    }
    return excerpts;
  }

  #pathOf(name: 'first' | 'last'): string {
    return this.#directory.file('samples', `${name}.json`);
  }

  async #write(name: 'first' | 'last', excerpt: StepExcerpt): Promise<void> {
    await this.#directory.writeFile(JSON.stringify(excerpt), 'samples', `${name}.json`);
  }
}

async function withTexts(excerpt: StepExcerpt, tokenTexts: TokenTexts): Promise<StepExcerpt> {
  if (tokenTexts === undefined) return excerpt;
  const rollouts: RolloutExcerpt[] = [];
  for (const rollout of excerpt.rollouts) {
    const samples: RolloutExcerpt['samples'][number][] = [];
    for (const sample of rollout.samples)
      samples.push({ ...sample, texts: await tokenTexts(Int32Array.from(sample.tokens)) });
    rollouts.push({ ...rollout, samples });
  }
  return { ...excerpt, rollouts };
}
