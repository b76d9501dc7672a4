/** The shapes of the replies of the routes, which the pages read. Everything is JSON. */
import type { Attempt, JsonValue, MetricChart, Rollout } from '@agent-lightning/core';
import type {
  Interval,
  RunConfig,
  Spend,
  StepMetrics,
  ToldFinding,
  ValidationMetrics,
  Verdict,
} from '@agent-lightning/run';
import type { RolloutView } from '@agent-lightning/report';
import type { Note, NoteContent } from './notes/note.ts';

/**
 * The state of a run: `running` while a process trains in its directory, `ended` when it wrote how it ended, `stopped` when neither: it
 * was killed, or an older version trained it. `store` is a store alone, without the files of a run.
 */
export type RunState = 'running' | 'ended' | 'stopped' | 'store';

/** A point of a learning curve. */
export interface CurvePoint {
  readonly step: number;
  readonly reward?: number;
  readonly validation?: number;
  readonly interval?: Interval;
}

/** A run in the list of runs. */
export interface RunSummary {
  /** The name of its directory, unique among the runs that are shown. */
  readonly id: string;
  readonly directory: string;
  readonly state: RunState;
  /** `completed`, `converged`, `interrupted`, or why it stopped; absent while it is not known. */
  readonly outcome?: string;
  /** Says what of its files cannot be read; absent where all can. */
  readonly problem?: string;
  readonly startedAt?: string;
  readonly algorithm?: string;
  readonly backend?: string;
  readonly steps: number;
  readonly rollouts: number;
  readonly failed: number;
  readonly wallSeconds: number;
  /** At most 300 points, the first and the last among them. */
  readonly curve: readonly CurvePoint[];
  readonly ailments: readonly string[];
  /** True when its rollouts can be read. */
  readonly hasStore: boolean;
}

/** The reply of `/api/runs`. */
export interface RunList {
  readonly source: string;
  readonly runs: readonly RunSummary[];
}

/** The reply of `/api/runs/:run`. */
export interface RunDetails extends RunSummary {
  readonly config: RunConfig;
  /** The ailments with their sentences, the first one found first. */
  readonly findings: readonly ToldFinding[];
  readonly verdict?: Verdict & { readonly step: number; readonly sentence: string };
  readonly validationBefore?: ValidationMetrics;
  /** The charts that the algorithm draws of its own figures. */
  readonly charts: readonly MetricChart[];
  /** What the run has spent; absent where only a policy was asked and nothing is limited, and before the run has ended. */
  readonly spend?: Spend;
}

/** The reply of `/api/runs/:run/metrics`: lines in order of their steps. */
export interface MetricsPage {
  readonly lines: readonly StepMetrics[];
  /** Give it as `after` for the next page; absent on the last one. */
  readonly next?: number;
}

/** A rollout in the list of rollouts. */
export interface RolloutEntry {
  readonly id: string;
  readonly group?: string;
  readonly mode: Rollout['mode'];
  readonly status: Rollout['status'];
  readonly step?: number;
  /** The first characters of the task. */
  readonly task: string;
  readonly taskKind?: string;
  /** The reward that the rollout earned; absent for one that failed. */
  readonly reward?: number;
  readonly failure?: string;
  /** Says who ended it without success: a failure of the world has no reward, and any other counts with the failure reward of its step. */
  readonly failureKind?: 'policy' | 'world' | 'unknown';
  readonly attempts: number;
  readonly createdAtMs: number;
  /** From enqueueing to the end. */
  readonly seconds?: number;
  /** The id of the prompts that it was run with, where a search over prompts ran it. */
  readonly prompts?: string;
  /** The number of its task, training or held-out, where the run wrote it down. */
  readonly taskNumber?: number;
  /** The reader's note; absent where there is none, and in the index. */
  readonly note?: NoteContent;
}

/** The reply of `/api/runs/:run/rollouts`. */
export interface RolloutPage {
  /** The rollouts that the filter selects, of those that were read so far. */
  readonly total: number;
  /** The rollouts that were read so far. */
  readonly read: number;
  /** False while rollouts are still being read. */
  readonly isComplete: boolean;
  /** The place of the first item among those that the filter selects. */
  readonly offset: number;
  readonly items: readonly RolloutEntry[];
  readonly statuses: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
}

/** A span in the waterfall of a rollout. */
export interface SpanRow {
  readonly id: string;
  readonly parent?: string;
  readonly depth: number;
  readonly kind: string;
  readonly name: string;
  readonly status: 'unset' | 'ok' | 'error';
  readonly message?: string;
  readonly isOpen: boolean;
  /** Milliseconds after the first span's beginning. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly attributes: Readonly<Record<string, JsonValue>>;
}

/** The reply of `/api/runs/:run/rollouts/:rollout`. */
export interface RolloutDetails {
  readonly rollout: Rollout;
  readonly step?: number;
  readonly attempts: readonly Attempt[];
  /** The newest attempt as a person reads it. */
  readonly view: RolloutView;
  readonly failureKind?: string;
  readonly rewards: readonly RewardRow[];
  readonly spans: readonly SpanRow[];
  readonly problems: readonly string[];
  readonly calls: number;
  readonly untrainable: readonly { readonly spanId: string; readonly agentName: string; readonly reason: string }[];
  /** The reader's note; absent where there is none. */
  readonly note?: Note;
}

/** One dimension of a reward as it was written. */
export interface RewardRow {
  readonly name: string;
  readonly value: number;
  readonly scope: string;
  readonly target?: string;
  readonly feedback?: string;
}

/** The reply of `/api/runs/:run/rollouts/:rollout/tokens`. */
export interface TokenDetails {
  readonly samples: readonly TokenSample[];
  /** The place that the texts of the tokens come from; `none` where only ids are known. */
  readonly texts: 'tokenizer' | 'excerpts' | 'none';
  /** The place that the advantages come from: `recorded` as they were trained on, `computed` again by the run's options, or `none`. */
  readonly advantages: 'recorded' | 'computed' | 'none';
  /** Say why, where something is not known. */
  readonly remarks: readonly string[];
}

/** One training sample, token by token; arrays have the shape (T,). */
export interface TokenSample {
  readonly policy: string;
  readonly agentNames: readonly string[];
  readonly policyVersions: readonly number[];
  readonly ids: readonly number[];
  /** Absent where no text is known. */
  readonly texts?: readonly string[];
  /** 1 for a token that is trained on. */
  readonly mask: readonly number[];
  /** Nats; 0 where the mask is 0. */
  readonly logprobs: readonly number[];
  /** The trainer's log-probabilities when the sample was first trained on, in nats; absent where the run did not keep them. */
  readonly trainerLogprobs?: readonly number[];
  /** Absent where the advantages are not known. */
  readonly advantages?: readonly number[];
}

/** A group in the list of groups. */
export interface GroupEntry {
  readonly id: string;
  readonly step?: number;
  readonly task: string;
  readonly size: number;
  readonly failed: number;
  readonly unfinished: number;
  /** The rewards that were earned, the highest first. */
  readonly rewards: readonly number[];
  /** The mean of the rewards that count: those that were earned, and the failure reward of each rollout that the world did not make fail. */
  readonly mean?: number;
  /** Population standard deviation of the rewards that count; 0 means that the group teaches nothing by its rewards. */
  readonly deviation?: number;
}

/** The reply of `/api/runs/:run/groups`. */
export interface GroupPage {
  readonly total: number;
  readonly isComplete: boolean;
  readonly offset: number;
  readonly items: readonly GroupEntry[];
}

/** The reply of `/api/runs/:run/groups/:group`. */
export interface GroupDetails {
  readonly id: string;
  readonly step?: number;
  readonly task: JsonValue;
  readonly rollouts: readonly RolloutView[];
  /** The number of entries with which all rollouts begin alike. */
  readonly common: number;
  /** The rollouts of the group that a snapshot left out; absent where all are there. */
  readonly missing?: number;
}

/** A rollout in a few words. */
export interface ToldRollout {
  readonly id: string;
  readonly task: string;
  readonly reward?: number;
  readonly failure?: string;
  /** The sentence of its failure. */
  readonly message?: string;
  /** What the model said last; absent where no call was written down. */
  readonly said?: string;
}

/** The reply of `/api/runs/:run/examples`: a few rollouts that tell most, and what the model said in them. */
export interface RunExamples {
  /** The training rollouts that failed, by code and by who caused it, the most frequent first. */
  readonly failures: readonly {
    readonly code: string;
    readonly kind: NonNullable<RolloutEntry['failureKind']>;
    readonly count: number;
    /** The newest ones. */
    readonly items: readonly ToldRollout[];
  }[];
  /** The newest step with training rollouts that ended, each group of it among the first. */
  readonly lastStep?: { readonly step: number; readonly total: number; readonly items: readonly ToldRollout[] };
  /** Held-out tasks of the first and the last validation: first those whose reward rose, then those where it fell. */
  readonly heldOut: readonly {
    readonly steps: readonly [first: number, last: number];
    readonly before: ToldRollout;
    readonly after: ToldRollout;
  }[];
  /** The rollouts that the run keeps with the advantages with which they were trained. */
  readonly kept: readonly { readonly step: number; readonly items: readonly ToldRollout[] }[];
}

/** A run in one file: replies of the routes as they were when it was written. */
export interface Snapshot {
  readonly madeAt: string;
  /** The name of the run. */
  readonly run: string;
  /** Says which rollouts are in the file, and why. */
  readonly chosen: readonly string[];
  /** Rollouts for the lists, the newest first. */
  readonly entries: readonly RolloutEntry[];
  /** The notes of the run's readers. */
  readonly notes: readonly Note[];
  /** The failure reward of each step, by which groups are described. */
  readonly failureRewards: Readonly<Record<string, number>>;
  /** Replies by their paths. */
  readonly replies: Readonly<Record<string, object>>;
}

/** The reply of `/api/runs/:run/notes`: the notes of a run, the newest first. */
export interface NoteList {
  readonly notes: readonly Note[];
}

/** The reply of `/api/access`. */
export interface Access {
  /** True for a request with the admin key, which may write notes. */
  readonly canWrite: boolean;
  /** True when the dashboard was started with an admin key. */
  readonly hasKey: boolean;
}

/** An error of a route. */
export interface ErrorReply {
  readonly error: { readonly code: string; readonly message: string; readonly field?: string };
}
