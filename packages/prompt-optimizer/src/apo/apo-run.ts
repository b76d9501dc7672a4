import { join } from 'node:path';
import {
  type AlgorithmHost,
  type AlgorithmRun,
  type Episode,
  type PlannedRollout,
  type StepOutcome,
  type StepRollouts,
} from '@agent-lightning/core';
import { readState, writeState } from '@agent-lightning/platform';
import { meanScore } from '../candidates/candidate.ts';
import { estimateNoise } from '../decisions/noise.ts';
import { keepTexts } from '../prompts/keep-texts.ts';
import { identifyTexts, toTexts } from '../prompts/prompt-set.ts';
import { exportPrompts } from '../search/export-prompts.ts';
import { describeBarren, findFailure, manySteps } from '../search/find-failure.ts';
import { splitTasks, type TaskSplit } from '../search/split-tasks.ts';
import { planRollouts } from '../search/step-rollouts.ts';
import { findUnusedPrompt } from '../search/unused-prompts.ts';
import { checkBudget, costOfRound, type ApoSettings } from './apo-options.ts';
import { askForBranch, listNew, planRound, rankCandidates } from './apo-round.ts';
import type { ApoEntry, ApoState } from './apo-state.ts';
import { concludeRound, type OpenRound } from './conclude-round.ts';

/** The figures that APO adds to a step's line. */
export interface ApoMetrics {
  /** Mean reward of the best candidate on all selection tasks. */
  readonly bestScore?: number;
  /** Mean reward of the prompts as they stand in the code, on the same tasks. */
  readonly firstScore?: number;
  /** Mean reward of the round's leader on the round's selection tasks: not to be compared between rounds. */
  readonly leaderScore?: number;
  /** Standard deviation of the reward when a candidate runs a task again. */
  readonly noise: number;
  /** New candidates that were run. */
  readonly newCandidates: number;
  /** Rollouts that the search has run so far. */
  readonly searchRollouts: number;
}

const stateFile = 'apo.json';

/** APO in one run. A step is a round. */
export class ApoRun implements AlgorithmRun<ApoMetrics> {
  readonly #settings: ApoSettings;
  readonly #host: AlgorithmHost;
  readonly #split: TaskSplit;
  #state: ApoState;
  #open: OpenRound | undefined;

  constructor(settings: ApoSettings, host: AlgorithmHost) {
    this.#settings = settings;
    this.#host = host;
    checkBudget(settings, host.tasks.length, host.seed);
    this.#split = splitTasks('apo', settings.selectionTasks, host.tasks.length, host.seed);
    const texts = toTexts(settings.prompts);
    const beam: readonly ApoEntry[] = [{ id: identifyTexts(texts), texts, step: 0 }];
    const { selection } = this.#split;
    this.#state = {
      format: 2,
      beam,
      selection,
      scored: [],
      minibatches: 0,
      seen: {},
      spent: 0,
      failedReflections: 0,
      barrenSteps: 0,
      silentSteps: 0,
      history: [],
    };
  }

  get isUnchanged(): boolean {
    return this.#state.best === undefined || this.#state.best.id === this.#state.first?.id;
  }

  /** The best candidate on all selection tasks. */
  get resourcesId(): string {
    return this.#best.id;
  }

  estimate(steps: number): ReturnType<NonNullable<AlgorithmRun['estimate']>> {
    const { beam, branches, minibatch, budget } = this.#settings;
    const { selection, feedback } = this.#split;
    const first = this.#state.first === undefined;
    const left = budget - this.#state.spent;
    const ofRound = costOfRound(this.#settings, this.#split, false);
    const most = ofRound * steps + (first && steps > 0 ? selection.length : 0);
    const read = beam * branches * Math.min(minibatch, feedback.length);
    const rounds = Math.min(steps, Math.floor(left / ofRound));
    return {
      rollouts: [Math.min(left, read * steps + (first ? selection.length : 0)), Math.min(left, most)],
      calls: [0, 2 * beam * branches * rounds],
    };
  }

  async publish(): Promise<void> {
    await keepTexts(this.#host, this.#best.id, this.#best.texts);
  }

  async plan(step: number): Promise<readonly PlannedRollout[]> {
    if (!this.#canPay()) return []; // A finished run that is resumed ends again.
    const round = planRound(this.#settings, this.#host.seed, this.#split.feedback, this.#state, step);
    this.#open = { round };
    const planned = [...(this.#state.first === undefined ? this.#planAll(step, 'seed', this.#state.beam[0]!) : [])];
    for (const entry of this.#state.beam) await keepTexts(this.#host, entry.id, entry.texts);
    for (const { index, parent, minibatch } of round.branches) {
      const rollouts = { step, purpose: 'parent', name: `p${index}`, resourcesId: parent.id } as const;
      planned.push(...planRollouts(this.#host, rollouts, minibatch));
    }
    return planned;
  }

  async extend({
    step,
    episodes,
  }: {
    readonly step: number;
    readonly episodes: readonly Episode[];
  }): Promise<readonly PlannedRollout[]> {
    if (this.#open === undefined || this.#open.ranked !== undefined) return [];
    if (this.#open.added === undefined) return await this.#propose(this.#open, step, episodes);
    return this.#open.added.length === 0 ? [] : this.#rank(this.#open, step, episodes);
  }

  async learn({ step, rollouts, episodes }: StepRollouts): Promise<StepOutcome<ApoMetrics>> {
    const open = this.#open;
    this.#open = undefined;
    const unused = step === 1 ? await findUnusedPrompt('apo', this.#host, this.#settings.prompts, rollouts) : undefined;
    const concluded = open === undefined ? undefined : concludeRound(this.#settings, this.#state, open, episodes);
    this.#state = concluded?.state ?? this.#state;
    const warnings = concluded?.warnings ?? [];
    const end = unused ?? this.#findEnd(step, open, warnings);
    const { best, first, spent, seen } = this.#state;
    const leaderScore = open?.ranked?.[0]?.score;
    const isScored = best !== undefined && first !== undefined;
    return {
      metrics: {
        ...(isScored ? { bestScore: meanScore(best), firstScore: meanScore(first) } : {}),
        ...(leaderScore === undefined ? {} : { leaderScore }),
        noise: Math.sqrt(estimateNoise(seen)),
        newCandidates: open?.added?.length ?? 0,
        searchRollouts: spent,
      },
      summary: [`best ${isScored ? meanScore(best).toFixed(3) : '–'}`, `${open?.added?.length ?? 0} new`],
      warnings: [...warnings, ...(end === 'converged' ? [this.#describeEnd()] : [])],
      ...(end === undefined ? {} : { end }),
    };
  }

  async save(directory: string): Promise<void> {
    await writeState(join(directory, stateFile), this.#state);
  }

  async load(directory: string): Promise<void> {
    this.#state = await readState<ApoState>(join(directory, stateFile), this.#state.format);
  }

  async exportResult(directory: string): Promise<void> {
    const { selection, first, best, history } = this.#state;
    const scored = best ?? { ...this.#best, scores: [] };
    await exportPrompts(directory, scored, first, { selection, first, best, history });
  }

  get #best(): ApoEntry {
    return this.#state.best ?? this.#state.beam[0]!;
  }

  #canPay(): boolean {
    const split = { ...this.#split, selection: this.#state.selection };
    const cost = costOfRound(this.#settings, split, this.#state.first === undefined);
    return this.#settings.budget - this.#state.spent >= cost;
  }

  #planAll(step: number, purpose: 'seed' | 'leader', { id }: ApoEntry): readonly PlannedRollout[] {
    return planRollouts(this.#host, { step, purpose, name: id, resourcesId: id }, this.#state.selection);
  }

  async #propose(open: OpenRound, step: number, episodes: readonly Episode[]): Promise<readonly PlannedRollout[]> {
    const { branches, compared } = open.round;
    const reflections = await Promise.all(
      branches.map(async (branch) => await askForBranch(this.#settings, this.#host, step, branch, episodes)),
    );
    const added = listNew(this.#state.beam, branches, reflections, step);
    for (const { id, texts } of added) await keepTexts(this.#host, id, texts);
    this.#open = { ...open, reflections, added };
    // Without a new candidate there is nothing to compare.
    const candidates = added.length === 0 ? [] : [...this.#state.beam, ...added];
    return candidates.flatMap(({ id }) =>
      planRollouts(this.#host, { step, purpose: 'selection', name: id, resourcesId: id }, compared),
    );
  }

  #rank(open: OpenRound, step: number, episodes: readonly Episode[]): readonly PlannedRollout[] {
    const { beam, scored, first } = this.#state;
    const ranked = rankCandidates([...beam, ...open.added!], open.round.compared, episodes);
    this.#open = { ...open, ranked };
    const [leader] = ranked;
    if (leader?.score === undefined || scored.includes(leader.entry.id)) return [];
    const isFirst = first === undefined && leader.entry.id === beam[0]!.id; // It runs in this round anyway.
    return isFirst ? [] : this.#planAll(step, 'leader', leader.entry);
  }

  #findEnd(step: number, open: OpenRound | undefined, warnings: readonly string[]): 'converged' | Error | undefined {
    const { isControl } = this.#host;
    const progress = { ...this.#state, step, isScored: this.#state.first !== undefined, isControl };
    const failure = findFailure('apo', progress, this.#host.noSignalPatience, warnings.at(-1));
    if (failure !== undefined) return failure;
    const isSolved = open?.reflections?.every((reflection) => reflection === 'perfect') ?? false;
    return isSolved || this.#isBarren || !this.#canPay() ? 'converged' : undefined;
  }

  /** True when the models give no new prompt any more. */
  get #isBarren(): boolean {
    return this.#state.barrenSteps >= manySteps(this.#host.noSignalPatience);
  }

  #describeEnd(): string {
    const { spent, barrenSteps } = this.#state;
    if (this.#isBarren) return describeBarren('apo', barrenSteps);
    return this.#canPay()
      ? 'there is nothing to learn from: every run of this round has the perfect reward'
      : `the budget is spent: ${spent} of ${this.#settings.budget} rollouts, and another round may cost ${costOfRound(this.#settings, this.#split, false)}`;
  }
}
