import {
  check,
  ConfigurationError,
  type BackendCapabilities,
  type LightningRLOptions,
  type RoutedPolicy,
} from '@agent-lightning/core';
import { checkRate } from '../policy-options.ts';
import { defaultStart, largestStart } from './step/step-size.ts';

/** The fixed rates that are used where none is given and updates cannot size themselves: what others use for large models. */
const fixedRates = { all: 1e-6, adapter: 2e-5 } as const;

/** The options about the size of an update. */
export interface LearningRateOptions {
  /**
   * The learning rate of AdamW. `'auto'`: each update takes several passes over its batch until the policy has moved by a share of its own
   * entropy, and the rate is corrected until that takes about four; each policy has its own. A number is taken as it is.
   * @default 'auto' with the loss `ppo`, one minibatch, one pass and no warm-up, on a backend that can score what an update did;
   * otherwise 1e-6 where all weights train, 2e-5 for an adapter, which the run says
   */
  readonly learningRate?: number | 'auto';
  /** The rate of the first pass with `'auto'`, at most 1e-5: the first step is not taken back. @default 1e-6 */
  readonly startingLearningRate?: number;
  /**
   * Makes updates smaller where a step on half of a batch's groups does not help the other half, as when rewards are noise; only with
   * `'auto'`. @default true
   */
  readonly signalGate?: boolean;
  /** Passes over each batch at a fixed learning rate; with `minibatches`, each pass deals them anew. @default 1 */
  readonly passes?: number;
}

/** The options about the size of an update with every default filled in. */
export interface LearningRateSettings {
  /** `by-backend` where none was given: `auto` where options and backend allow it, else a fixed rate. */
  readonly learningRate: number | 'auto' | 'by-backend';
  readonly startingLearningRate: number;
  readonly signalGate: boolean;
  readonly passes: number;
}

/** The options of an algorithm that `'auto'` cannot be combined with. */
interface OtherOptions {
  readonly estimator: LightningRLOptions['estimator'];
  readonly loss: { readonly name: string };
  readonly minibatches: number;
  readonly warmupSteps: number;
  readonly passes: number;
}

/** Checks the options about the size of an update and fills in the defaults. @param owner the algorithm, for messages @throws {ConfigurationError} `option-invalid` */
export function resolveLearningRate(
  owner: string,
  options: LearningRateOptions,
  others: Omit<OtherOptions, 'passes'>,
): LearningRateSettings {
  const { startingLearningRate: start, signalGate } = options;
  const isSized = start !== undefined || signalGate !== undefined;
  const given = checkRate(`${owner}.learningRate`, options.learningRate) ?? (isSized ? 'auto' : 'by-backend');
  const passes = check.wholeNumber(`${owner}.passes`, options.passes ?? 1);
  if (given === 'auto') rejectOthers(owner, { ...others, passes });
  if (typeof given === 'number') {
    rejectSizing(`${owner}.startingLearningRate`, start, given);
    rejectSizing(`${owner}.signalGate`, signalGate, given);
  }
  return {
    learningRate: given,
    startingLearningRate: checkStart(`${owner}.startingLearningRate`, start ?? defaultStart),
    signalGate: checkGate(`${owner}.signalGate`, signalGate ?? true),
    passes,
  };
}

/**
 * Checks that the policies whose rate is 'auto' can have it.
 * @throws {ConfigurationError} `option-invalid` for another option that does not go with it, `option-unsupported` for the backend
 */
export function checkAutoRates(
  settings: LearningRateSettings & OtherOptions,
  policies: readonly RoutedPolicy[],
  backend: { readonly name: string; readonly capabilities: BackendCapabilities },
): void {
  const own = policies.find(({ learningRate }) => learningRate === 'auto');
  if (own !== undefined) rejectOthers(`Trainer: policies.${own.name}`, settings);
  if (own === undefined && settings.learningRate !== 'auto') return;
  if (backend.capabilities.scoresUpdates !== false) return;
  throw new ConfigurationError(
    `the backend ${backend.name} cannot score what an optimizer step did, by which the learning rate 'auto' finds its size; give a number, such as ${fixedRateOf(backend.capabilities)}`,
    { code: 'option-unsupported' },
  );
}

/** A learning rate, and the sentence that tells the user why it is a fixed one that he did not give. */
export interface ChosenRate {
  readonly learningRate: number | 'auto';
  readonly notice?: string;
}

/** Chooses the rate of policies that have none of their own. @param owner the algorithm, for messages */
export function chooseRate(
  owner: string,
  settings: LearningRateSettings & OtherOptions,
  capabilities: BackendCapabilities,
): ChosenRate {
  if (settings.learningRate !== 'by-backend') return { learningRate: settings.learningRate };
  const obstacle = findObstacle(settings);
  if (obstacle === undefined && capabilities.scoresUpdates !== false) return { learningRate: 'auto' };
  const rate = fixedRateOf(capabilities);
  const why = obstacle ?? 'the backend cannot score what an optimizer step did';
  const what = capabilities.trainedWeights === 'adapter' ? 'an adapter' : 'all weights';
  return {
    learningRate: rate,
    notice: `the learning rate is fixed at ${rate}, the default for ${what}, and not 'auto': ${why}; give ${owner}({ learningRate }) to choose`,
  };
}

function fixedRateOf({ trainedWeights = 'all' }: BackendCapabilities): number {
  return fixedRates[trainedWeights];
}

function rejectOthers(owner: string, others: OtherOptions): void {
  const obstacle = findObstacle(others);
  if (obstacle === undefined) return;
  throw check.optionInvalid(`${owner}.learningRate`, "'auto'", `a number where ${obstacle}`);
}

/** Returns what keeps an update from sizing itself, as a clause. */
function findObstacle({ estimator, loss, minibatches, passes, warmupSteps }: OtherOptions): string | undefined {
  if (estimator === 'gae') return "the estimator is 'gae', since each pass of 'auto' would move the critic as well";
  if (loss.name !== 'ppo') return `the loss is '${loss.name}', since 'auto' is measured with 'ppo' only`;
  if (minibatches > 1) return `minibatches is ${minibatches}, since 'auto' passes over whole batches`;
  if (passes > 1) return `passes is ${passes}, since 'auto' decides on the passes itself`;
  if (warmupSteps > 0) return `warmupSteps is ${warmupSteps}, since 'auto' begins with a small rate by itself`;
  return undefined;
}

function rejectSizing(option: string, value: unknown, rate: number): void {
  if (value !== undefined) throw check.optionInvalid(option, value, `left out with the fixed learning rate ${rate}`);
}

function checkGate(option: string, signalGate: boolean): boolean {
  if (typeof signalGate === 'boolean') return signalGate;
  throw check.optionInvalid(option, JSON.stringify(signalGate), 'true or false');
}

function checkStart(option: string, start: number): number {
  if (check.positive(option, start) <= largestStart) return start;
  throw check.optionInvalid(
    option,
    start,
    `at most ${largestStart}: the first step is not taken back, and the rate grows within the first batch`,
  );
}
