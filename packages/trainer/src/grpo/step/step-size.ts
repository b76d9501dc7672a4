/**
 * The rule by which an update sizes itself: several optimizer steps over one batch until the policy has moved by a target, at a
 * learning rate that is corrected until a batch needs about four. Nothing is taken back, so the first rate must be small. The constants were
 * measured over more than 1,500 runs on agents whose best fixed rates differ by a factor of 65; docs/decisions/0038 has the figures.
 *
 *     D    movement: Σ_tokens ½·(lp − lp0)² / calls, lp0 being the trainer's log-probabilities at the start of the batch   (nats a call)
 *     H    entropy: Σ_tokens −log p at sampling / calls                                                                  (nats a call)
 *     T    target: min(0.05·H, 0.1) · share of the rollouts that carry signal · gate                                     (nats a call)
 *     √D   grows with each step by about the same amount, the speed; so √T / speed is the number of passes that a batch needs
 */
import { rollingSignal, type RollingSignal } from './signal-ratio.ts';

/** The share of a policy's entropy by which a batch may move it, and the bound on that in nats a call. */
const entropyShare = 0.05;
const largestTarget = 0.1;
/** The number of passes that the rate is corrected towards. */
const wantedPasses = 4;
/** The most passes over a batch, and over the first one, whose rate is far too small. */
const mostPasses = 8;
const mostFirstPasses = 30;
/** The largest rate that is ever used; AdamW moves no weight usefully in steps of that size. */
const largestRate = 0.1;
/** The learning rate of the first pass where none is given, and the largest that can be: a first step is not taken back. */
export const defaultStart = 1e-6;
export const largestStart = 1e-5;
/** A batch that moved a policy by more than this many targets ends the run, if it is also further than any target could have been. */
const largestOvershoot = 10;

/** The things that the rule knows of one policy; kept in the checkpoint. */
export interface StepSizing {
  /** The rate of the next pass. */
  readonly learningRate: number;
  /** Batches that were trained on. */
  readonly batches: number;
  /** Passes over the newest of them; 0 before the first. */
  readonly passes: number;
  readonly signal: RollingSignal;
}

/** The state of a batch after one of its passes. */
export interface PassState {
  /** Passes over this batch, this one included. */
  readonly passes: number;
  /** D in nats a call, without what a pass measures that takes no step. */
  readonly movement: number;
  /** D before this pass. */
  readonly movementBefore: number;
  /** T in nats a call, above 0. */
  readonly target: number;
}

/** Returns what the rule knows before the first batch. */
export function initialSizing(start: number): StepSizing {
  return { learningRate: start, batches: 0, passes: 0, signal: rollingSignal };
}

/** The figures that decide how far a batch may move a policy. */
export interface TargetFigures {
  /** H, nats a call. */
  readonly entropy: number;
  /** Rollouts of the batch that the policy is trained on, and those that were asked for. */
  readonly used: number;
  readonly asked: number;
  /** The factor in (0, 1] by which doubtful signal makes the target smaller. */
  readonly gate: number;
}

/** Returns T, in nats a call. */
export function targetMovement({ entropy, used, asked, gate }: TargetFigures): number {
  return Math.min(entropyShare * entropy, largestTarget) * Math.min(used / asked, 1) * gate;
}

/**
 * Returns the movement, in nats a call, above which a batch ends the run. A policy that few rollouts call has a target which may be far smaller
 * than the one before it, and with it than a single step: nothing is wrong with a step that a batch full of signal might have taken.
 */
export function movementLimit(figures: TargetFigures): number {
  return Math.max(
    largestOvershoot * targetMovement(figures),
    targetMovement({ ...figures, used: 1, asked: 1, gate: 1 }),
  );
}

/** Returns the most passes over the next batch. */
export function passLimit({ batches }: StepSizing): number {
  return batches === 0 ? mostFirstPasses : mostPasses;
}

/** Returns the rate of the next pass over the same batch: higher where more than a batch's passes would be left at this speed. */
export function rateOfNextPass(learningRate: number, state: PassState): number {
  if (state.movement >= state.target) return learningRate;
  const left = (Math.sqrt(state.target) - Math.sqrt(state.movement)) / speedOf(state);
  return left > mostPasses ? bounded(learningRate * clamp(left / wantedPasses, 1, 4)) : learningRate;
}

/** Returns the rate of the first pass over the next batch. */
export function rateOfNextBatch(learningRate: number, state: PassState, isFirst: boolean): number {
  const { passes, movement, target } = state;
  const needed = isFirst ? Math.sqrt(target) / speedOf(state) : passes * Math.sqrt(target / movement);
  return bounded(learningRate * clamp(needed / wantedPasses, 1 / 3, 1.5));
}

/** Returns how fast √D grows a pass; 0 where nothing moved. */
function speedOf({ passes, movement, movementBefore }: PassState): number {
  return Math.max(Math.sqrt(movement) - Math.sqrt(movementBefore), Math.sqrt(movement) / passes);
}

function bounded(learningRate: number): number {
  return Math.min(learningRate, largestRate);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
