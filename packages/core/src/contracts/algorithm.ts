import type { Episode } from '../transitions/transition.ts';
import type { JsonValue } from '../vocabulary/json.ts';
import type { NamedResources, ResourcesVersion } from '../vocabulary/resources.ts';
import type { Rollout, RolloutMode } from '../vocabulary/rollout.ts';
import type { Logger } from './logger.ts';
import type { TrainingGateway } from './model-gateway.ts';
import type { TrainingBackend } from './training-backend.ts';

/** A rollout that a run needs. */
export interface PlannedRollout {
  /** Names the rollout within the run; the same whenever the run is repeated or resumed. */
  readonly key: string;
  readonly input: JsonValue;
  readonly mode: RolloutMode;
  /** Names the rollouts that are compared with each other. */
  readonly groupKey?: string;
  /** The resources that the rollout runs with. @default the newest of the store */
  readonly resourcesId?: string;
  readonly metadata: { readonly [key: string]: JsonValue };
}

/**
 * A way to improve an agent: it says what runs next, learns from what ran, and says when to stop. The trainer carries it out:
 * it runs the rollouts, validates, reports, saves and resumes.
 */
export interface Algorithm<Metrics extends object = object> {
  /** Names it in messages and in the run's record. */
  readonly name: string;
  /** The options that decide what it does; a resumed run must have the same. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Tasks of one step; with the number of tasks it says how many steps an epoch has. */
  readonly tasksPerStep: number;
  /** How calls of training rollouts are sampled; validation is greedy, with the same limit of tokens. */
  readonly sampling: { readonly temperature?: number; readonly maxTokens?: number };
  /** What it takes of the trainer's options; the trainer refuses by name what it would ignore. */
  readonly uses: AlgorithmUses;
  /** Charts that the report draws beside those of every run. */
  readonly charts?: readonly MetricChart[];
  /**
   * Finds out, before a run leaves anything behind, whether the backend can do what the algorithm asks for.
   * @throws {ConfigurationError} `option-unsupported`
   */
  check?(options: Pick<AlgorithmHost, 'backend' | 'maxStaleness'>): Promise<void>;
  /** Begins a run: prepares what is trained. */
  begin(host: AlgorithmHost): Promise<AlgorithmRun<Metrics>>;
  /** Begins a dry run: makes the agent as it is what rollouts get. Nothing is trained. */
  rehearse(host: AlgorithmHost): Promise<Rehearsal>;
}

/** The trainer's options that an algorithm can do something with. */
export interface AlgorithmUses {
  /** Weights: it trains policies of a backend, which is then required. */
  readonly backend: boolean;
  /** Whether the plan of a step needs nothing of the steps before, so that `maxStaleness` steps can be sampled ahead. */
  readonly samplingAhead: boolean;
}

/** What the trainer gives to an algorithm for one run. */
export interface AlgorithmHost {
  /** Undefined for an algorithm that uses none. */
  readonly backend: TrainingBackend | undefined;
  /** Undefined where the run has no policy, and agents ask their own models. */
  readonly gateway: TrainingGateway | undefined;
  /** The policies that train, in the order in which their patterns are tried; none without a backend. */
  readonly policies: readonly RoutedPolicy[];
  readonly tasks: readonly JsonValue[];
  readonly seed: number;
  /** So many steps may be sampled ahead. */
  readonly maxStaleness: number;
  /** Steps in a row without anything to learn from after which the algorithm should stop. */
  readonly noSignalPatience: number;
  /** Nats a token between sampler and trainer above which a step is off-policy. */
  readonly maxDivergence: number;
  readonly logger: Logger;
  /** Keeps a version of the prompts and settings that rollouts run with. */
  putResources(resourcesId: string, resources: NamedResources): Promise<ResourcesVersion>;
}

/** A policy to train, and whose calls it answers. */
export interface RoutedPolicy {
  /** As agents, spans, checkpoints and metrics have it. */
  readonly name: string;
  /** Tested against each of a caller's names. Undefined for the one policy that answers every call. */
  readonly agentMatch: RegExp | undefined;
  /** Undefined for the algorithm's own. */
  readonly learningRate: number | undefined;
}

/** An algorithm at work in one run. Steps count from 1, and are learned from in order. */
export interface AlgorithmRun<Metrics extends object = object> {
  /** The policies whose calls train, by name; none for an algorithm that trains no weights. */
  readonly policies: readonly string[];
  /** The resources that a validation runs with. @default the newest of the store */
  readonly resourcesId?: string;
  /** Returns the rollouts of a step. With `samplingAhead` a function of the step alone. */
  plan(step: number): readonly PlannedRollout[];
  /** Makes what was learned so far what new rollouts get: called at the beginning, after `load` where a run goes on. */
  publish(): Promise<void>;
  /** Learns from the rollouts of a step, and makes what it learned what new rollouts get. */
  learn(step: StepRollouts): Promise<StepOutcome<Metrics>>;
  /** Writes all that it needs to go on after the newest step into an empty directory. */
  save(directory: string): Promise<void>;
  /** Goes on from what `save` wrote. */
  load(directory: string): Promise<void>;
  /** Frees what a state holds elsewhere; called before its directory is deleted. */
  discard?(directory: string): Promise<void>;
  /** Writes what the run is for: trained weights, or prompts. */
  exportResult(directory: string): Promise<void>;
}

/** The rollouts of a step, all final. */
export interface StepRollouts {
  readonly step: number;
  readonly rollouts: readonly Rollout[];
  /** What is known of each rollout, tokens included. In a control run rewards are permuted among them. */
  readonly episodes: readonly Episode[];
  /** Called right before what is trained changes for the first time: a run that ends later cannot save the step before. */
  readonly beforeUpdate: () => void;
  /** Counts the time of a piece of work in the step's metrics. */
  measure<Result>(phase: 'convert' | 'train' | 'publish', work: () => Promise<Result>): Promise<Result>;
}

/** What came of a step. */
export interface StepOutcome<Metrics extends object = object> {
  /** Added to the step's line of metrics; values are JSON. */
  readonly metrics: Metrics;
  /** The episodes as they were learned from: calls that were left out are among the untrainable ones. */
  readonly episodes: readonly Episode[];
  /** Short figures for the line of progress, such as `entropy 0.52`. */
  readonly summary: readonly string[];
  /** Sentences for whoever watches, said before the run goes on or ends. */
  readonly warnings: readonly string[];
  /** A few rollouts as they were trained on, for the report. */
  readonly samples: readonly RolloutSample[];
  /** The run ends after this step: there is nothing more to learn, or it cannot go on. */
  readonly end?: 'converged' | Error;
}

/** An algorithm in a dry run. */
export interface Rehearsal extends Pick<AlgorithmRun, 'policies' | 'resourcesId'> {
  /** Says what training would get from these rollouts. */
  examine(rollouts: readonly Rollout[], episodes: readonly Episode[]): Examination;
}

/** What training would get from the rollouts of a dry run. */
export interface Examination {
  /** Whether there is something to learn from. */
  readonly ok: boolean;
  /** Groups whose rollouts have different rewards. */
  readonly groupsWithVariance: number;
  /** The episodes as they would be learned from. */
  readonly episodes: readonly Episode[];
  /** Training samples that the trainable calls became; fewer than calls where calls continue each other. */
  readonly rows: number;
  readonly callsInRows: number;
  /** What to mend or to know, in plain words. */
  readonly findings: readonly string[];
}

/** A chart of the report: lines over the steps, each read from the metrics by its path, such as `seconds.train`. */
export interface MetricChart {
  readonly title: string;
  /** A path with `*` draws a line for each key in its place. */
  readonly lines: readonly (readonly [name: string, path: string])[];
}

/** One rollout as it was trained on. */
export interface RolloutSample {
  readonly rolloutId: string;
  readonly groupId: string;
  readonly task: JsonValue;
  readonly reward: number | undefined;
  readonly rows: readonly SampledRow[];
}

/** A training sample as it went to the backend; arrays have the shape (T,). */
export interface SampledRow {
  readonly tokens: readonly number[];
  /** The text of each token, where the backend can tell. */
  readonly texts?: readonly string[];
  readonly lossMask: readonly number[];
  /** Nats. */
  readonly logprobs: readonly number[];
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
