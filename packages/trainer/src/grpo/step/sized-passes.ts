import { splitMinibatches, TrainerError, type BatchSample } from '@agent-lightning/core';
import { objectiveAndDerivative, type Objective } from '../objective/objective.ts';
import { entropyOf, movementOf } from '../objective/movement.ts';
import type { Passes, PassesOptions } from './fixed-passes.ts';
import { addSignal, gateOf, signalRatio, type RollingSignal } from './signal-ratio.ts';
import {
  movementLimit,
  passLimit,
  rateOfNextBatch,
  rateOfNextPass,
  targetMovement,
  type PassState,
  type StepSizing,
  type TargetFigures,
} from './step-size.ts';
import { finishPass, submitPass, type FinishedPass, type Pass } from './submit-pass.ts';
import type { UpdateBatch } from './train-on-batch.ts';

export interface SizedPassesOptions extends PassesOptions {
  /** The things that the rule knows of the policy. */
  readonly sizing: StepSizing;
  /** The rollouts that the step asked for. */
  readonly asked: number;
}

/** The sizes of an update, in nats a call. */
export interface SizedUpdate {
  /** The things that the rule knows after it. */
  readonly sizing: StepSizing;
  /** D: how far the policy moved. */
  readonly movement: number;
  /** T: how far it was to move. */
  readonly target: number;
  /** The running mean of ρ; without the gate, ρ is not measured. */
  readonly signalRatio?: number;
}

type Logprobs = readonly Float32Array[];

/** A batch, and its two halves; where it has one group or no gate, all of it is seen. */
interface SplitBatch {
  readonly whole: readonly BatchSample[];
  /** The samples that the first optimizer step is taken on, by weights of their own. */
  readonly seen: readonly BatchSample[];
  readonly unseen: readonly BatchSample[];
}

/** The things that stay as they are while a batch is passed over. */
interface Measure {
  readonly split: SplitBatch;
  /** The log-probabilities of the whole batch before its first step. */
  readonly before: Logprobs;
  /** D of a pass without a step: not 0 where the same weights do not score alike twice. */
  readonly noise: number;
  readonly target: number;
  /** The movement that ends the run. */
  readonly limit: number;
  readonly signal: RollingSignal;
}

/** The state of an update between two passes. */
interface Progress {
  readonly passes: readonly Pass[];
  readonly state: PassState;
  /** The log-probabilities of the whole batch. */
  readonly now: Logprobs;
  /** The rate of the newest pass, and of the next. */
  readonly usedRate: number;
  readonly nextRate: number;
  /** False when the newest pass had no gradient, so that another would have none either. */
  readonly hasSlope: boolean;
}

/**
 * Passes over a batch until the policy has moved by its target, as `step-size.ts` says. After each optimizer step the backend scores the
 * batch anew, which costs about a third of a pass. Takes no step where the policy has no entropy, and so nothing to choose from.
 * @throws {TrainerError} `update-too-large` when the policy moved by more than `movementLimit` allows, `numerics` when a number is not finite;
 * whatever the backend threw
 */
export async function takeSizedPasses(
  batch: UpdateBatch,
  options: SizedPassesOptions,
): Promise<Passes & { readonly sized?: SizedUpdate }> {
  const { sizing, policy } = options;
  const split = splitBatch(batch, options);
  const { learningRate } = sizing;
  if (targetMovement(figuresOf(split, options, sizing.signal)) === 0)
    return { passes: [], firstLogprobs: new Map(), learningRate, passesOverBatch: 0 };
  const before = await policy.forward(split.whole);
  options.beforeUpdate();
  const [measure, first] = await takeFirstPass(split, before, options);
  let progress = first;
  while (goesOn(progress, options)) progress = await takeNextPass(progress, measure, options);
  const { passes, usedRate } = progress;
  const sized = summarise(progress, measure, options);
  const firstLogprobs = new Map(split.whole.map(({ tokens }, index) => [tokens, before[index]!]));
  return { passes, firstLogprobs, learningRate: usedRate, passesOverBatch: passes.length, sized };
}

function summarise(progress: Progress, measure: Measure, options: SizedPassesOptions): SizedUpdate {
  const { movement, target } = progress.state;
  const ratio = options.settings.signalGate ? { signalRatio: measure.signal.mean } : {};
  return { sizing: concludeSizing(progress, measure, options), movement, target, ...ratio };
}

function goesOn({ state, hasSlope }: Progress, { sizing }: SizedPassesOptions): boolean {
  return hasSlope && state.movement < state.target && state.passes < passLimit(sizing);
}

/** Takes the step on the half that is seen, and measures by it what the rest of the update is held against. */
async function takeFirstPass(
  split: SplitBatch,
  before: Logprobs,
  options: SizedPassesOptions,
): Promise<readonly [Measure, Progress]> {
  const { sizing, policy } = options;
  const seenBefore = pick(split.seen, split.whole, before);
  const finished = await takePass(split.seen, seenBefore, sizing.learningRate, options);
  const now = await policy.forward(split.whole);
  const noise = movementOf(split.seen, seenBefore, finished.logprobs);
  const ratio = movementOf(split.whole, before, now) > 2 * noise ? ratioOf(split, before, now, options) : undefined;
  const signal = ratio === undefined ? sizing.signal : addSignal(sizing.signal, ratio);
  const figures = figuresOf(split, options, signal);
  const measure = { split, before, noise, signal, target: targetMovement(figures), limit: movementLimit(figures) };
  return [measure, measureProgress([finished.pass], now, 0, sizing.learningRate, { measure, finished, options })];
}

/** Takes a step on the whole batch. */
async function takeNextPass(progress: Progress, measure: Measure, options: SizedPassesOptions): Promise<Progress> {
  const { whole } = measure.split;
  const { nextRate, state } = progress;
  const finished = await takePass(whole, progress.now, nextRate, options);
  const passes = [...progress.passes, finished.pass];
  const now = await options.policy.forward(whole);
  return measureProgress(passes, now, state.movement, nextRate, { measure, finished, options });
}

async function takePass(
  samples: readonly BatchSample[],
  logprobs: Logprobs,
  learningRate: number,
  options: SizedPassesOptions,
): Promise<FinishedPass> {
  const adam = { ...options.settings.adam, learningRate };
  return await finishPass(
    await submitPass(samples, { ...options, adam, critic: options.settings.critic, logprobs }),
    options.step,
  );
}

/** Measures how far the policy has moved after a pass. */
function measureProgress(
  passes: readonly Pass[],
  now: Logprobs,
  movementBefore: number,
  usedRate: number,
  { measure, finished, options }: { measure: Measure; finished: FinishedPass; options: SizedPassesOptions },
): Progress {
  const { split, before, noise, target, limit } = measure;
  const movement = Math.max(0, movementOf(split.whole, before, now) - noise);
  if (movement > limit) throw tooLarge(movement, measure, usedRate, options);
  const state = { passes: passes.length, movement, movementBefore, target };
  return { passes, state, now, usedRate, nextRate: rateOfNextPass(usedRate, state), hasSlope: finished.hasSlope };
}

/**
 * Returns what the rule knows after a batch. One that the loss clips altogether says nothing about the rate at its first pass; later it has
 * moved the policy as far as it can, and the rate is held against that.
 */
function concludeSizing(
  { state, nextRate, hasSlope }: Progress,
  { signal }: Measure,
  { sizing }: SizedPassesOptions,
): StepSizing {
  const { passes, movement } = state;
  if (!hasSlope && (passes === 1 || movement === 0)) return { ...sizing, passes };
  const reached = hasSlope ? state : { ...state, target: Math.min(state.target, movement) };
  const learningRate = rateOfNextBatch(nextRate, reached, sizing.batches === 0);
  return { learningRate, batches: sizing.batches + 1, passes, signal };
}

function figuresOf(
  { whole }: SplitBatch,
  { asked, settings }: SizedPassesOptions,
  signal: RollingSignal,
): TargetFigures {
  const used = new Set(whole.map(({ rolloutId }) => rolloutId)).size;
  return { entropy: entropyOf(whole), used, asked, gate: settings.signalGate ? gateOf(signal) : 1 };
}

function ratioOf(
  { whole, seen, unseen }: SplitBatch,
  before: Logprobs,
  now: Logprobs,
  { objective }: SizedPassesOptions,
): number | undefined {
  if (unseen.length === 0) return undefined;
  const gainOn = (half: readonly BatchSample[]): number =>
    lossOf(half, pick(half, whole, before), objective) - lossOf(half, pick(half, whole, now), objective);
  return signalRatio({ seen: gainOn(seen), unseen: gainOn(unseen) });
}

function lossOf(samples: readonly BatchSample[], logprobs: Logprobs, objective: Objective): number {
  return samples.reduce(
    (sum, sample, index) => sum + objectiveAndDerivative(sample, logprobs[index]!, objective).loss,
    0,
  );
}

function splitBatch(batch: UpdateBatch, { settings, random }: SizedPassesOptions): SplitBatch {
  const whole = splitMinibatches(batch, 1, random)[0]?.samples ?? [];
  const [seen, unseen] = settings.signalGate ? splitMinibatches(batch, 2, random) : [];
  return unseen === undefined
    ? { whole, seen: whole, unseen: [] }
    : { whole, seen: seen!.samples, unseen: unseen.samples };
}

/** Returns the log-probabilities of a part of a batch. Samples are told apart by their tokens, which weighing anew does not copy. */
function pick(part: readonly BatchSample[], whole: readonly BatchSample[], logprobs: Logprobs): Logprobs {
  const places = new Map(whole.map(({ tokens }, index) => [tokens, index]));
  return part.map(({ tokens }) => logprobs[places.get(tokens)!]!);
}

function tooLarge(
  movement: number,
  { target, limit }: Measure,
  learningRate: number,
  { name, step }: SizedPassesOptions,
): TrainerError {
  return new TrainerError(
    `step ${step} moved the policy "${name}" by ${movement.toPrecision(3)} nats a call, where the target was ${target.toPrecision(3)} and ${limit.toPrecision(3)} is the most, at the learning rate ${learningRate.toPrecision(3)}; nothing of it is published, and the newest checkpoint has the weights before it. Look at the step's rewards and samples, or train in another run directory with a fixed learningRate below this one`,
    { code: 'update-too-large' },
  );
}
