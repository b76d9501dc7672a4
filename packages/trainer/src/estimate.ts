import { splitHeldOut } from './evaluate/held-out-tasks.ts';
import type { RunContext } from './run-context.ts';
import { mayCost } from './spend-metrics.ts';

/** A number that is known within bounds. */
type Bounds = readonly [least: number, most: number];

/** What is left to do in a run. */
interface Remaining {
  /** Undefined where the algorithm does not say. */
  readonly training: Bounds | undefined;
  /** Calls of the algorithm's own to a model. */
  readonly calls: Bounds;
  /** Rollouts of held-out tasks, those of the verdict among them. */
  readonly heldOut: number;
}

/**
 * Tells what is left of a run that costs money, before its next rollout: how many rollouts and calls it takes and, where some have run, about what they
 * cost. Runs in which only a policy is asked are not told of, unless something is limited.
 */
export function tellEstimate<Task>(context: RunContext<Task>, step: number): void {
  const { progress } = context;
  if (!mayCost(context)) return;
  const remaining = findRemaining(context, step);
  const cost = describeCost(context, remaining);
  progress.note(
    `${describeRemaining(context, remaining)}; ${cost ?? 'tokens and money can be told after the first rollouts'}`,
  );
}

/** Tells about what the rest of a run costs, once rollouts have run. */
export function tellCost<Task>(context: RunContext<Task>, step: number): void {
  const cost = describeCost(context, findRemaining(context, step));
  if (cost !== undefined) context.progress.note(`estimate after ${context.meter.spend.rollouts} rollouts: ${cost}`);
}

function findRemaining<Task>({ fit, options, algorithm }: RunContext<Task>, step: number): Remaining {
  const { validation, validationEvery, validationSubset, verdict, steps } = fit;
  const { rollouts, calls = [0, 0] } = algorithm.estimate?.(steps - step) ?? {};
  const onTheWay =
    validationEvery === 0
      ? 0
      : Array.from({ length: steps - step }, (_, index) => step + 1 + index).filter(
          (each) => each < steps && each % validationEvery === 0,
        ).length;
  const whole = step === 0 ? 2 : 1; // before the training, and after it
  const judged = verdict === undefined ? 0 : splitHeldOut(fit, options.seed).test.length * verdict.samples;
  return {
    training: rollouts,
    calls,
    heldOut: whole * (validation.length + judged) + onTheWay * validationSubset,
  };
}

function describeRemaining<Task>({ options }: RunContext<Task>, { training, calls, heldOut }: Remaining): string {
  const { name, models = [] } = options.algorithm;
  const rollouts =
    training === undefined
      ? `${name} does not say how many rollouts it takes`
      : `${showBounds(training)} rollouts of ${name}`;
  const asked = models.length === 0 ? 'a model' : [...new Set(models)].join(', ');
  const parts = [
    rollouts,
    ...(heldOut === 0 ? [] : [`${heldOut} rollouts of held-out tasks`]),
    ...(calls[1] === 0 ? [] : [`${showBounds(calls)} calls of ${name} to ${asked}`]),
  ];
  return `estimate of what this run takes: ${parts.join(', ')}`;
}

/** Describes about what the rest costs, at what was spent so far; undefined before anything was. */
function describeCost<Task>({ meter }: RunContext<Task>, { training, calls, heldOut }: Remaining): string | undefined {
  const { rollouts, parts } = meter.spend;
  const [agent, judge, optimizer] = [parts.agent, parts.judge, parts.optimizer];
  const counted = agent.calls + judge.calls;
  if (rollouts === 0 || training === undefined || counted === 0) return undefined;
  const inRollout = { usd: agent.usd + judge.usd, tokens: tokensOf(agent) + tokensOf(judge) };
  const restOf = (side: 0 | 1, each: 'usd' | 'tokens'): number => {
    const ofCall = each === 'usd' ? optimizer.usd : tokensOf(optimizer);
    const perCall = optimizer.calls === 0 ? 0 : ofCall / optimizer.calls;
    return (inRollout[each] / rollouts) * (training[side] + heldOut) + perCall * calls[side];
  };
  const isPriced = agent.withoutPrice < agent.calls || judge.withoutPrice < judge.calls;
  const usd = isPriced ? `, $${restOf(0, 'usd').toFixed(4)} to $${restOf(1, 'usd').toFixed(4)}` : '';
  const unheard = optimizer.calls === 0 && calls[1] > 0 ? ', besides the calls of the algorithm' : '';
  return `the rest takes about ${Math.round(restOf(0, 'tokens'))} to ${Math.round(restOf(1, 'tokens'))} tokens${usd}${unheard}`;
}

function tokensOf({
  inputTokens,
  outputTokens,
}: {
  readonly inputTokens: number;
  readonly outputTokens: number;
}): number {
  return inputTokens + outputTokens;
}

function showBounds([least, most]: Bounds): string {
  return least === most ? String(most) : `${least} to ${most}`;
}
