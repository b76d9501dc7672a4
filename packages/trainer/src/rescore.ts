import {
  check,
  readReward,
  rewardAttributes,
  toEpisode,
  toMessages,
  type ChatMessage,
  type Episode,
  type JsonValue,
  type LightningStore,
  type Rollout,
  type RolloutMode,
  type Span,
} from '@agent-lightning/core';
import { ConsoleLog, keepConsole } from '@agent-lightning/platform';
import type { RolloutResult } from '@agent-lightning/runner';

/** A rollout as a store has it, for a reward function that looks at it again. */
export interface StoredRollout<Task = JsonValue> {
  readonly task: Task;
  readonly rollout: Rollout;
  /** The text of the last answer of a model; undefined where no answer was recorded. */
  readonly answer: string | undefined;
  /** The messages of each model call and its answer, in order of the calls. */
  readonly conversations: readonly (readonly ChatMessage[])[];
  /** The spans of the newest attempt, without tokens. What the agent gave to `emitObject` and `emitMessage` is among them. */
  readonly spans: readonly Span[];
  /** The primary dimension of the reward that the rollout has; undefined where it has none. */
  readonly reward: number | undefined;
  /** Every dimension of that reward. */
  readonly rewards: Readonly<Record<string, number>>;
}

export interface RescoreOptions<Task = JsonValue> {
  /** Returns the reward that a rollout would get now, in the forms that a rollout function may return. */
  readonly reward: (stored: StoredRollout<Task>) => Promise<RolloutResult> | RolloutResult;
  /** The run whose rollouts are scored. @default 'run', which is the name of a run in a store of its own */
  readonly runId?: string;
  /** The modes of the rollouts that are scored. @default every mode */
  readonly modes?: readonly RolloutMode[];
  /** Rollouts that are scored at once. @default 8 */
  readonly concurrency?: number;
}

/** The rewards of one rollout: what it has, and what it would get. */
export interface RescoredRollout<Task = JsonValue> {
  readonly rolloutId: string;
  readonly task: Task;
  /** The primary dimension of the reward that the rollout has. */
  readonly before: number | undefined;
  /** The primary dimension of the new reward; undefined where the function gave none, or failed. */
  readonly after: number | undefined;
  /** Every dimension of the new reward. */
  readonly rewards: Readonly<Record<string, number>>;
  readonly feedback?: string;
  /** The text that the function wrote by `console`. */
  readonly console?: string;
  /** The message of the error that the function threw, or that its reward is wrong by. */
  readonly error?: string;
}

const optionNames: Readonly<Record<keyof RescoreOptions, true>> = {
  reward: true,
  runId: true,
  modes: true,
  concurrency: true,
};

/**
 * Runs a reward function again over the rollouts of a run that succeeded, and returns the old rewards beside the new ones, in the order in
 * which the rollouts were queued. No agent and no model is called, and nothing is written. A function that throws is a result like any other.
 * @throws {ConfigurationError} `option-invalid`, {StoreError} what the store cannot read
 */
export async function rescore<Task = JsonValue>(
  store: Pick<LightningStore, 'queryRollouts' | 'querySpans'>,
  options: RescoreOptions<Task>,
): Promise<readonly RescoredRollout<Task>[]> {
  check.knownOptions('rescore', options, optionNames);
  const { reward, runId = 'run', modes } = options;
  if (typeof reward !== 'function') throw check.optionInvalid('rescore: reward', reward, 'a function');
  const concurrency = check.wholeNumber('rescore: concurrency', options.concurrency ?? 8, 1, 1_000);
  const results: RescoredRollout<Task>[] = [];
  let cursor: string | undefined;
  do {
    const query = { runId, statuses: ['succeeded' as const], limit: concurrency, ...(modes && { modes }) };
    const page = await store.queryRollouts(cursor === undefined ? query : { ...query, cursor });
    const spans = await store.querySpans({
      rolloutIds: page.items.map(({ rolloutId }) => rolloutId),
      attemptId: 'latest',
    });
    const byRollout = Map.groupBy(spans, ({ rolloutId }) => rolloutId);
    const scored = page.items.map((rollout) =>
      scoreAgain<Task>(rollout, byRollout.get(rollout.rolloutId) ?? [], reward),
    );
    results.push(...(await Promise.all(scored)));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return results;
}

async function scoreAgain<Task>(
  rollout: Rollout,
  spans: readonly Span[],
  reward: RescoreOptions<Task>['reward'],
): Promise<RescoredRollout<Task>> {
  const stored = readStored<Task>(rollout, spans);
  const log = new ConsoleLog();
  const result = await keepConsole(log, () => tryReward(stored, reward));
  const console = log.text();
  return {
    rolloutId: rollout.rolloutId,
    task: stored.task,
    before: stored.reward,
    ...result,
    ...(console !== undefined && { console }),
  };
}

/** Reads a rollout and its newest attempt's spans as a reward function sees them. */
export function readStored<Task>(rollout: Rollout, spans: readonly Span[]): StoredRollout<Task> {
  const { reward, rewards }: Episode = toEpisode(rollout, spans);
  const conversations = toMessages(spans).conversations.map(({ messages }) => messages);
  const last = conversations.at(-1)?.at(-1);
  const answer = last === undefined ? undefined : textOf(last);
  return { task: rollout.input as Task, rollout, answer, conversations, spans, reward, rewards };
}

type NewReward = Pick<RescoredRollout, 'after' | 'rewards' | 'feedback' | 'error'>;

async function tryReward<Task>(
  stored: StoredRollout<Task>,
  reward: RescoreOptions<Task>['reward'],
): Promise<NewReward> {
  try {
    const result = await reward(stored);
    if (result === undefined) return { after: undefined, rewards: {} };
    const attributes = rewardAttributes(result);
    const { dimensions, feedback } = readReward({ kind: 'reward', spanId: 'rescored', attributes })!;
    return {
      after: dimensions[0]!.value,
      rewards: Object.fromEntries(dimensions.map(({ name, value }) => [name, value])),
      ...(feedback !== undefined && { feedback }),
    };
  } catch (error) {
    return { after: undefined, rewards: {}, error: error instanceof Error ? error.message : String(error) };
  }
}

/** Returns the text of a message, which may come in parts. */
function textOf({ content }: ChatMessage): string | undefined {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return undefined;
  return content.map((part) => (part as { readonly text?: unknown } | null)?.text ?? '').join('');
}
