import { join } from 'node:path';
import {
  check,
  type AlgorithmHost,
  type AlgorithmRun,
  type PlannedRollout,
  type StepOutcome,
  type StepRollouts,
} from '@agent-lightning/core';
import { readState, writeState } from '@agent-lightning/platform';
import { meanScore } from '../candidates/candidate.ts';
import { findDimensions } from '../candidates/pareto-front.ts';
import { costOfProposal } from '../decisions/budget.ts';
import { estimateNoise } from '../decisions/noise.ts';
import { findWinner } from '../decisions/winner.ts';
import { keepTexts } from '../prompts/keep-texts.ts';
import { identifyTexts, toTexts } from '../prompts/prompt-set.ts';
import { describeBarren, findFailure, manySteps } from '../search/find-failure.ts';
import { findUnusedPrompt } from '../search/unused-prompts.ts';
import { splitTasks } from '../search/split-tasks.ts';
import { planRollouts } from '../search/step-rollouts.ts';
import { concludeStep, type Conclusion, type Fate } from './conclude-step.ts';
import { exportPrompts } from '../search/export-prompts.ts';
import { proposeChildren, selectMerge, type Finished, type OpenStep } from './extend-work.ts';
import { mostGrowth, selectChildren } from './select-children.ts';
import { sizeSteps, type GepaSettings } from './gepa-options.ts';
import { initialGepaState, type GepaState, type PoolEntry } from './gepa-state.ts';
import { planWork, type Search, type Work } from './plan-work.ts';

/** The figures that GEPA adds to a step's line. */
export interface GepaMetrics {
  /** Candidates in the pool. */
  readonly candidates: number;
  /** Mean reward of the best candidate on the selection tasks. Absent before the first step that has rewards. */
  readonly bestScore?: number;
  /** Mean reward of the prompts as they stand in the code, on the same tasks. */
  readonly firstScore?: number;
  /** What became of the step's proposals, counted. */
  readonly proposals: Readonly<Partial<Record<Fate, number>>>;
  /** Standard deviation of the reward when a candidate runs a task again. */
  readonly noise: number;
  /** Rollouts that the search has run so far. */
  readonly searchRollouts: number;
}

const stateFile = 'gepa.json';

/** GEPA in one run. */
export class GepaRun implements AlgorithmRun<GepaMetrics> {
  readonly #settings: GepaSettings;
  readonly #host: AlgorithmHost;
  readonly #search: Search;
  #state: GepaState;
  #open: OpenStep | undefined;

  constructor(settings: GepaSettings, host: AlgorithmHost) {
    this.#settings = settings;
    this.#host = host;
    const split = splitTasks('gepa', settings.selectionTasks, host.tasks.length, host.seed);
    const sizes = sizeSteps(settings, split);
    this.#search = { settings, seed: host.seed, feedback: split.feedback, sizes, first: firstEntry(settings) };
    this.#state = initialGepaState(split.selection);
  }

  get isUnchanged(): boolean {
    return this.#best.id === this.#search.first.id;
  }

  /** The best candidate on the selection tasks. */
  get resourcesId(): string {
    return this.#best.id;
  }

  estimate(steps: number): ReturnType<NonNullable<AlgorithmRun['estimate']>> {
    const { sizes, settings, feedback } = this.#search;
    const first = this.#state.pool.length === 0 ? sizes.selection + sizes.repeats : 0;
    const left = settings.budget - this.#state.spent;
    const proposals = steps * sizes.proposals;
    const asked = settings.components === 'all' ? settings.prompts.length : 1;
    return {
      rollouts: [
        Math.min(left, first + proposals * sizes.minibatch),
        // Where rewards are noisy, a new candidate is compared with its parent on further tasks.
        Math.min(
          left,
          first +
            proposals *
              costOfProposal({ ...sizes, minibatch: Math.min(feedback.length, mostGrowth * sizes.minibatch) }),
        ),
      ],
      calls: [0, Math.min(proposals, Math.floor((left - first) / sizes.minibatch)) * asked],
    };
  }

  async publish(): Promise<void> {
    await keepTexts(this.#host, this.#best.id, this.#best.texts);
  }

  async plan(step: number): Promise<readonly PlannedRollout[]> {
    const work = planWork(this.#search, this.#state, step);
    this.#open = work === undefined ? undefined : { step, work, outcomes: new Map() };
    if (work === undefined) return []; // A finished run that is resumed ends again.
    return work.kind === 'merge' ? await this.#planMerge(step, work) : await this.#planProposals(step, work);
  }

  async extend({ rollouts, episodes }: Finished): Promise<readonly PlannedRollout[]> {
    if (this.#open === undefined) return [];
    const extended = await this.#advance(this.#open, { rollouts, episodes });
    this.#open = extended?.open ?? this.#open;
    return extended?.further ?? [];
  }

  async learn({ step, rollouts, episodes }: StepRollouts): Promise<StepOutcome<GepaMetrics>> {
    const conclusion: Conclusion =
      this.#open === undefined
        ? { state: this.#state, fates: [], warnings: [] }
        : concludeStep(this.#search, this.#state, this.#open, episodes);
    const unused =
      step === 1 ? await findUnusedPrompt('gepa', this.#host, this.#settings.prompts, rollouts) : undefined;
    this.#state = conclusion.state;
    this.#open = undefined;
    const end = unused ?? this.#findEnd(step, conclusion);
    const { candidates, bestScore } = this.#measure(conclusion.fates);
    const last = end === 'converged' ? [this.#describeEnd()] : [];
    return {
      metrics: this.#measure(conclusion.fates),
      summary: [
        `best ${bestScore === undefined ? '–' : bestScore.toFixed(3)}`,
        `${candidates} kept`,
        ...conclusion.fates,
      ],
      warnings: [...conclusion.warnings, ...last],
      ...(end === undefined ? {} : { end }),
    };
  }

  async save(directory: string): Promise<void> {
    await writeState(join(directory, stateFile), this.#state);
  }

  async load(directory: string): Promise<void> {
    this.#state = await readState<GepaState>(join(directory, stateFile), this.#state.format);
  }

  async exportResult(directory: string): Promise<void> {
    const { pool, selection } = this.#state;
    const candidates = pool.map(({ id, step, parents, scores, rewards, texts }) => {
      return { id, step, parents, score: meanScore({ scores }), scores, rewards, texts };
    });
    await exportPrompts(directory, this.#best, pool[0], { selection, candidates });
  }

  get #best(): PoolEntry {
    const { pool, seen } = this.#state;
    return pool.length === 0 ? this.#search.first : pool[findWinner(pool, estimateNoise(seen))]!;
  }

  async #planMerge(step: number, { merge, subsample }: Work & { kind: 'merge' }): Promise<readonly PlannedRollout[]> {
    const resourcesId = identifyTexts(merge.texts);
    await keepTexts(this.#host, resourcesId, merge.texts);
    return planRollouts(this.#host, { step, purpose: 'merge', name: 'm', resourcesId }, subsample);
  }

  async #planProposals(step: number, work: Work & { kind: 'proposals' }): Promise<readonly PlannedRollout[]> {
    const { id, texts } = this.#search.first;
    if (work.isFirst) await keepTexts(this.#host, id, texts);
    const first = { step, purpose: 'seed', name: 'first', resourcesId: id } as const;
    const { selection } = this.#state;
    const repeated = selection.slice(0, this.#search.sizes.repeats);
    const planned = work.isFirst
      ? [
          ...planRollouts(this.#host, first, selection),
          ...planRollouts(this.#host, { ...first, purpose: 'repeat' }, repeated),
        ]
      : [];
    for (const { index, parent, minibatch } of work.proposals) {
      await keepTexts(this.#host, parent.id, parent.texts);
      const name = `p${index}`;
      planned.push(...planRollouts(this.#host, { step, purpose: 'parent', name, resourcesId: parent.id }, minibatch));
    }
    return planned;
  }

  async #advance(open: OpenStep, finished: Finished): Promise<Awaited<ReturnType<typeof proposeChildren>> | undefined> {
    const [search, host, state] = [this.#search, this.#host, this.#state];
    if (open.work.kind === 'merge')
      return open.isMergeAccepted === undefined
        ? selectMerge(host, state, { ...open, work: open.work }, finished)
        : undefined;
    const proposing = { ...open, work: open.work };
    if (open.outcomes.size === 0) return await proposeChildren(search, host, state, proposing, finished);
    const isOpen = [...open.outcomes.values()].some(
      ({ child, isAccepted }) => child !== undefined && isAccepted === undefined,
    );
    return isOpen ? selectChildren(search, host, state, proposing, finished) : undefined;
  }

  #findEnd(step: number, { warnings }: Conclusion): 'converged' | Error | undefined {
    const { isControl } = this.#host;
    const progress = { ...this.#state, step, isScored: this.#state.pool.length > 0, isControl };
    const lacking = this.#findLackingDimensions();
    if (lacking !== undefined) return lacking;
    const failure = findFailure('gepa', progress, this.#host.noSignalPatience, warnings.at(-1));
    if (failure !== undefined) return failure;
    const isDone = this.#isBarren || planWork(this.#search, this.#state, step + 1) === undefined;
    return isDone ? 'converged' : undefined;
  }

  /** Returns the error of a frontier of dimensions whose rewards have one alone. */
  #findLackingDimensions(): Error | undefined {
    const { frontier } = this.#settings;
    const names = findDimensions(this.#state.pool);
    if (frontier === 'task' || this.#state.pool.length === 0 || names.length > 1) return undefined;
    return check.optionInvalid(
      'gepa.frontier',
      frontier,
      `"task" where rewards have one dimension, ${JSON.stringify(names[0] ?? 'none')}; return several from the rollout function, such as { right: 1, short: 0.4 }`,
    );
  }

  /** True when the reflection model gives no new prompt any more. */
  get #isBarren(): boolean {
    return this.#state.barrenSteps >= manySteps(this.#host.noSignalPatience);
  }

  #describeEnd(): string {
    const { spent, barrenSteps } = this.#state;
    if (this.#isBarren) return describeBarren('gepa', barrenSteps);
    const { budget } = this.#settings;
    const { selection, minibatch } = this.#search.sizes;
    return budget - spent < 2 * minibatch + selection
      ? `the budget is spent: ${spent} of ${budget} rollouts, and a new prompt may cost ${2 * minibatch + selection}`
      : 'every prompt worth improving has the perfect reward on every task of the minibatches';
  }

  #measure(fates: readonly Fate[]): GepaMetrics {
    const { pool, spent, seen } = this.#state;
    const proposals: Partial<Record<Fate, number>> = {};
    for (const fate of fates) proposals[fate] = (proposals[fate] ?? 0) + 1;
    return {
      candidates: pool.length,
      ...(pool.length === 0 ? {} : { bestScore: meanScore(this.#best), firstScore: meanScore(pool[0]!) }),
      proposals,
      noise: Math.sqrt(estimateNoise(seen)),
      searchRollouts: spent,
    };
  }
}

function firstEntry({ prompts }: GepaSettings): PoolEntry {
  const texts = toTexts(prompts);
  return { id: identifyTexts(texts), texts, parents: [], scores: [], step: 0, nextComponent: 0 };
}
