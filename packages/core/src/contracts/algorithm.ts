import type { AgentMatch } from '../vocabulary/agent-match.ts';
import type { Episode } from '../transitions/transition.ts';
import type { JsonValue } from '../vocabulary/json.ts';
import type { NamedResources } from '../vocabulary/resources.ts';
import type { Rollout, RolloutMode } from '../vocabulary/rollout.ts';
import type { Span } from '../vocabulary/span.ts';
import type { Ailment } from './ailment.ts';
import type { Logger } from './logger.ts';
import type { TrainingGateway } from './model-gateway.ts';
import type { TrainingBackend } from './training-backend.ts';

/** A rollout that a run needs. */
export interface PlannedRollout {
  /**
   * Names the rollout within the run, and no other rollout of it; the same whenever the run is repeated or resumed. A resumed run
   * takes a finished rollout of this key as it is, unless it ran with other resources or on another input.
   */
  readonly key: string;
  readonly input: JsonValue;
  readonly mode: RolloutMode;
  /** Names the rollouts that are compared with each other. */
  readonly groupKey?: string;
  /** The resources that the rollout runs with, by the name that `putResources` was given. @default the newest of the store */
  readonly resourcesId?: string;
  readonly metadata: { readonly [key: string]: JsonValue };
}

/**
 * A way to improve an agent: it says what runs next, learns from what ran, and says when to stop. The trainer
 * runs the rollouts, validates, reports, saves and resumes.
 */
export interface Algorithm<Metrics extends object = object> {
  /** Names it in messages and in the run's record. */
  readonly name: string;
  /** The options that decide what it does; a resumed run must have the same. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Tasks of one step; with the number of tasks it says how many steps an epoch has. */
  readonly tasksPerStep: number;
  /**
   * Says how a policy samples the calls of training rollouts, and of those of a verdict; validation is greedy, with the same limit of tokens. Left out by an algorithm
   * that trains no weights: agents then sample from their own models as they always do.
   */
  readonly sampling?: { readonly temperature?: number; readonly maxTokens?: number };
  /**
   * Returns the steps of a run whose `fit` names neither steps nor epochs; of one epoch, where the algorithm runs no tasks. It may throw for
   * tasks that it cannot work on. @default one epoch of the tasks
   */
  readonly countSteps?: (
    taskCount: number,
    host: Pick<AlgorithmHost, 'backend' | 'policies' | 'seed' | 'isControl'>,
  ) => number | Promise<number>;
  /** Says which of the trainer's options it uses; the trainer rejects by name those that it would ignore. */
  readonly uses: AlgorithmUses;
  /** The names of hosted models that it asks by itself: they must have a price where a run's money is limited. @default none */
  readonly models?: readonly string[];
  /** Charts that the report draws beside those of every run. */
  readonly charts?: readonly MetricChart[];
  /** Says the verdict of a run in the words of the algorithm, beside its figures. @default the figures alone */
  readonly verdictWords?: Readonly<Record<'better' | 'worse' | 'cannot-tell', string>>;
  /** Faults that its metrics show, looked for after each step beside those of every run; they read whole lines of metrics. */
  readonly ailments?: readonly Ailment[];
  /**
   * Checks, before a run writes anything, that the backend can do what the algorithm asks for.
   * @throws {ConfigurationError} `option-unsupported`
   */
  check?(options: Pick<AlgorithmHost, 'backend' | 'maxStaleness' | 'policies'>): Promise<void>;
  /** Begins a run: prepares what is trained. */
  begin(host: AlgorithmHost): Promise<AlgorithmRun<Metrics>>;
  /** Begins a dry run, in which rollouts get the agent as it is. Nothing is trained. */
  rehearse(host: AlgorithmHost): Promise<Rehearsal>;
}

/** The trainer's options that an algorithm can do something with. */
export interface AlgorithmUses {
  /** True when it trains policies of a backend, which is then required. */
  readonly backend: boolean;
  /**
   * False when it runs no tasks, as when it learns from what ran before: `fit` then takes none to train on. @default true
   */
  readonly tasks?: boolean;
  /** True when it compares sampler and trainer, and stops by `maxDivergence`. @default as `backend` */
  readonly divergence?: boolean;
  /** True when the plan of a step can do without the steps before, so that `maxStaleness` steps can be sampled ahead. */
  readonly samplingAhead: boolean;
  /**
   * True when it compares rollouts of different steps with each other, as a search does. A control run then draws every reward from those of the first step; otherwise it permutes
   * the rewards within a step.
   * @default false
   */
  readonly comparesSteps?: boolean;
}

/** The things that the trainer gives to an algorithm for one run. */
export interface AlgorithmHost {
  /** Undefined for an algorithm that uses none. */
  readonly backend: TrainingBackend | undefined;
  /** Undefined where the run has no policy, and agents ask their own models. */
  readonly gateway: TrainingGateway | undefined;
  /** The policies that train, in the order in which their patterns are tried; none without a backend. */
  readonly policies: readonly RoutedPolicy[];
  readonly tasks: readonly JsonValue[];
  readonly seed: number;
  /** True in a control run: whatever the algorithm learns from that did not run in this run must have its rewards shuffled too. */
  readonly isControl: boolean;
  /** The number of steps that may be sampled ahead. */
  readonly maxStaleness: number;
  /** The number of steps in a row without anything to learn from after which the algorithm should stop. */
  readonly noSignalPatience: number;
  /** The divergence in nats a token between sampler and trainer above which a step is off-policy. */
  readonly maxDivergence: number;
  readonly logger: Logger;
  /** Aborts when the run is to end early: an interruption, a limit, or a failure of the run. What waits for others then throws an error with the code `cancelled`. */
  readonly signal: AbortSignal;
  /**
   * Keeps the prompts and settings that rollouts run with, under a name within the run. A rollout reads the newest that were put under
   * its `resourcesId`, so other prompts need another name.
   */
  putResources(resourcesId: string, resources: NamedResources): Promise<void>;
  /** Returns the newest resources under a name within the run, put by this process or an earlier one; undefined where there are none. */
  findResources(resourcesId: string): Promise<NamedResources | undefined>;
  /** Reads the spans of the newest attempts of these rollouts, without tokens; those of one rollout in the order of their sequence ids. */
  readSpans(rollouts: readonly Rollout[]): Promise<readonly Span[]>;
}

/** A policy to train, and whose calls it answers. */
export interface RoutedPolicy {
  /** The name, as agents, spans, checkpoints and metrics have it. */
  readonly name: string;
  /** The pattern that is tested against each of a caller's names. Undefined for the one policy that answers every call. */
  readonly agentMatch: AgentMatch | undefined;
  /** Undefined for the algorithm's own; `auto` for a rate that the algorithm finds by itself. */
  readonly learningRate: number | 'auto' | undefined;
}

/** An algorithm in one run. Steps count from 1, and are learned from in order. */
export interface AlgorithmRun<Metrics extends object = object> {
  /** The policies whose calls train, by name. @default none */
  readonly policies?: readonly string[];
  /** The resources that the next validation runs with, by name. @default the newest of the store */
  readonly resourcesId?: string;
  /** True while it has found nothing better than what it began with. A verdict then runs the tasks no second time, and cannot say `better`. @default false */
  readonly isUnchanged?: boolean;
  /**
   * Returns the rollouts of a step; a process asks once for each. Where `maxStaleness` is above 0 they depend on the step alone; otherwise
   * they may depend on the state after the step before.
   */
  plan(step: number): readonly PlannedRollout[] | Promise<readonly PlannedRollout[]>;
  /**
   * Returns further rollouts for a step whose planned ones are all final; none when the step has what it needs. It is asked again when
   * they are final too, at most four times in a step. Rollouts and their keys must follow from the seed, the saved state and what it is
   * given, so that a resumed run finds those that are finished. @default none
   */
  extend?(step: StepSoFar): readonly PlannedRollout[] | Promise<readonly PlannedRollout[]>;
  /**
   * Says, before they run, what so many further steps take at least and at most, all of them: training rollouts, and calls of its own to a
   * model. @default nobody is told before the run
   */
  estimate?(steps: number): StepCosts;
  /** Publishes what was learned so far for new rollouts. Called at the beginning, after `load` where a run goes on. */
  publish(): Promise<void>;
  /** Learns from the rollouts of a step, and publishes what it learned for new rollouts. */
  learn(step: StepRollouts): Promise<StepOutcome<Metrics>>;
  /** Writes all that it needs to go on after the newest step into an empty directory, and flushes it to the disk. */
  save(directory: string): Promise<void>;
  /** Goes on from what `save` wrote. */
  load(directory: string): Promise<void>;
  /** Frees what a state holds elsewhere; called before its directory is deleted. */
  discard?(directory: string): Promise<void>;
  /** Writes the result of the run into a directory, which may hold an earlier export: trained weights, or prompts. */
  exportResult(directory: string): Promise<void>;
}

/** What some steps can take. */
interface StepCosts {
  readonly rollouts: readonly [least: number, most: number];
  /** Calls of the algorithm's own to a model. */
  readonly calls: readonly [least: number, most: number];
}

/** The rollouts of a step that have been planned so far, all final. */
export interface StepSoFar {
  readonly step: number;
  /** Everything that was planned for the step, in order: by `plan`, then by each extension. */
  readonly planned: readonly PlannedRollout[];
  /** The rollout of each planned one. */
  readonly rollouts: readonly Rollout[];
  /** The episode of each rollout. In a control run they have other rewards than theirs, as in `learn`, but not the same ones. */
  readonly episodes: readonly Episode[];
}

/** The rollouts of a step, all final. */
export interface StepRollouts {
  readonly step: number;
  readonly rollouts: readonly Rollout[];
  /** The episode of each rollout, tokens included. In a control run they have other rewards than theirs. */
  readonly episodes: readonly Episode[];
  /** Called right before what is trained changes for the first time: a run that ends later cannot save the step before. */
  readonly beforeUpdate: () => void;
  /** Counts the time of a piece of work in the step's metrics. */
  measure<Result>(phase: 'convert' | 'train' | 'publish', work: () => Promise<Result>): Promise<Result>;
}

/** The result of a step. */
export interface StepOutcome<Metrics extends object = object> {
  /** Added to the step's line of metrics, under names that the line of every run does not have; values are JSON. */
  readonly metrics: Metrics;
  /** The episodes as they were learned from: calls that were left out are among the untrainable ones. @default as they were given */
  readonly episodes?: readonly Episode[];
  /** Short figures for the line of progress, such as `entropy 0.52`. @default none */
  readonly summary?: readonly string[];
  /** Sentences for the user, logged before the run goes on or ends. @default none */
  readonly warnings?: readonly string[];
  /** True when nothing of the step could be learned from; then the run says what became of the step's model calls. */
  readonly isWithoutSignal?: true;
  /** A few rollouts as they were trained on, token by token, for the report. @default none */
  readonly excerpts?: readonly RolloutExcerpt[];
  /** Ends the run after this step: there is nothing more to learn, or it cannot go on. */
  readonly end?: 'converged' | Error;
}

/** An algorithm in a dry run. */
export interface Rehearsal extends Pick<AlgorithmRun, 'policies' | 'resourcesId'> {
  /** Says what the algorithm could learn from these rollouts. */
  examine(rollouts: readonly Rollout[], episodes: readonly Episode[]): Examination | Promise<Examination>;
}

/** A report on what an algorithm could learn from the rollouts of a dry run. */
export interface Examination {
  /** Tells whether there is something to learn from. */
  readonly ok: boolean;
  /** Groups whose rollouts have different rewards, of those that would be learned from. @default counted over all rollouts */
  readonly groupsWithVariance?: number;
  /** The episodes as they would be learned from. @default as they were given */
  readonly episodes?: readonly Episode[];
  /** Training samples that the trainable calls became; fewer than calls where calls continue each other. @default none */
  readonly samples?: number;
  readonly callsInSamples?: number;
  /** Sentences that say what to correct or to know. */
  readonly findings: readonly string[];
}

/** A chart of the report: lines over the steps, each read from the metrics by its path, such as `seconds.train`. */
export interface MetricChart {
  readonly title: string;
  /** A path with `*` draws a line for each key in its place. */
  readonly lines: readonly (readonly [name: string, path: string])[];
}

/** One rollout as it was trained on. */
export interface RolloutExcerpt {
  readonly rolloutId: string;
  readonly groupId: string;
  readonly task: JsonValue;
  readonly reward: number | undefined;
  readonly samples: readonly ShownSample[];
}

/** A training sample as it went to the backend; arrays have the shape (T,). */
export interface ShownSample {
  readonly tokens: readonly number[];
  /** The text of each token, where the backend can tell. */
  readonly texts?: readonly string[];
  readonly lossMask: readonly number[];
  /** Nats. */
  readonly logprobs: readonly number[];
  /**
   * The policy's own log-probabilities when the sample was first trained on, in nats; 0 where `lossMask` is 0. With `logprobs` they give the
   * importance ratio of each token. Absent where the algorithm does not compare them.
   */
  readonly trainerLogprobs?: readonly number[];
  readonly segments: readonly SampledSegment[];
}

/** A stretch of a training sample that was sampled and trained on. */
export interface SampledSegment {
  readonly agentName: string;
  readonly callIndex: number;
  readonly policyVersion: number;
  /** `tokens[start..end)` of the training sample. */
  readonly start: number;
  readonly end: number;
  readonly advantage: number;
}
