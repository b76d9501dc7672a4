import {
  failureKinds,
  readReward,
  type JsonValue,
  type LightningStore,
  type Rollout,
  type Span,
} from '@agent-lightning/core';
import { isFinalRolloutStatus } from '@agent-lightning/store';
import type { RolloutEntry } from '../api.ts';
import { stepOf } from '../step-of.ts';

/** The characters of a task that the list of rollouts shows and searches. */
const shownCharacters = 300;

/** Reads the entries of rollouts, with the rewards of those that succeeded. */
export async function readEntries(
  store: Pick<LightningStore, 'querySpans'>,
  rollouts: readonly Rollout[],
): Promise<readonly RolloutEntry[]> {
  const rolloutIds = rollouts.filter(({ status }) => status === 'succeeded').map(({ rolloutId }) => rolloutId);
  const spans =
    rolloutIds.length === 0 ? [] : await store.querySpans({ rolloutIds, attemptId: 'latest', kinds: ['reward'] });
  const rewards = lastRewards(spans);
  const share = createSharer();
  return rollouts.map((rollout) => toEntry(rollout, rewards.get(rollout.rolloutId), share));
}

type Sharer = <Text extends string>(text: Text) => Text;

/** Makes a function that returns for equal texts the same one: rollouts of a group have most of theirs in common, and there are very many. */
function createSharer(): Sharer {
  const known = new Map<string, string>();
  return <Text extends string>(text: Text): Text => {
    const same = known.get(text);
    if (same === undefined) known.set(text, text);
    return (same as Text | undefined) ?? text;
  };
}

/** Returns the reward that counts of each rollout: the last one for the rollout as a whole. */
function lastRewards(spans: readonly Span[]): ReadonlyMap<string, number> {
  const rewards = new Map<string, { readonly order: number; readonly value: number }>();
  for (const span of spans) {
    const reward = readRewardOf(span);
    const known = rewards.get(span.rolloutId);
    if (reward === undefined || (known !== undefined && known.order > span.sequenceId)) continue;
    rewards.set(span.rolloutId, { order: span.sequenceId, value: reward });
  }
  return new Map([...rewards].map(([id, { value }]) => [id, value]));
}

/** Reads the primary dimension of a reward for the whole rollout; a span that another writer wrote wrongly has none. */
function readRewardOf(span: Span): number | undefined {
  try {
    const reward = readReward(span);
    return reward?.scope === 'rollout' ? reward.dimensions[0]?.value : undefined;
  } catch {
    return undefined; // the page of the rollout names the problem
  }
}

function toEntry(rollout: Rollout, reward: number | undefined, share: Sharer): RolloutEntry {
  const { rolloutId, groupId, mode, status, failure, attemptCount, createdAtMs, endedAtMs, input, metadata } = rollout;
  const step = stepOf(rollout);
  const kind = kindOf(input);
  const { prompts, task } = metadata;
  const isFailed = isFinalRolloutStatus(status) && status !== 'succeeded';
  return {
    id: rolloutId,
    ...(groupId !== undefined && { group: share(groupId) }),
    mode: share(mode),
    status: share(status),
    ...(step !== undefined && { step }),
    task: share(shortTask(input)),
    ...(kind !== undefined && { taskKind: share(kind) }),
    ...(reward !== undefined && { reward }),
    ...(isFailed && { failure: share(failure?.code ?? status), failureKind: kindOfFailure(rollout) }),
    ...(typeof prompts === 'string' && { prompts: share(prompts) }),
    ...(typeof task === 'number' && { taskNumber: task }),
    attempts: attemptCount,
    createdAtMs,
    ...(endedAtMs !== undefined && { seconds: Math.max(0, endedAtMs - createdAtMs) / 1_000 }),
  };
}

/** Returns who ended a rollout without success, as far as the rollout tells it alone: no spans are read for a list. */
function kindOfFailure({ status, failure, attemptCount }: Rollout): NonNullable<RolloutEntry['failureKind']> {
  if (status === 'cancelled' || attemptCount === 0) return 'world';
  return failure === undefined ? 'unknown' : failureKinds.of(failure);
}

/** Returns the beginning of a task as one line: its question or prompt where it has one, else its JSON. */
export function shortTask(input: JsonValue): string {
  const text = typeof input === 'string' ? input : (findQuestion(input) ?? JSON.stringify(input));
  return text.slice(0, shownCharacters).replaceAll(/\s+/g, ' ').toWellFormed();
}

const questionNames = ['question', 'prompt', 'task', 'query', 'input', 'instruction', 'text'];

function findQuestion(input: JsonValue): string | undefined {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return undefined;
  const members = input as Readonly<Record<string, JsonValue>>;
  return questionNames.map((name) => members[name]).find((value) => typeof value === 'string' && value !== '') as
    | string
    | undefined;
}

function kindOf(input: JsonValue): string | undefined {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return undefined;
  const kind = (input as Readonly<Record<string, JsonValue>>)['kind'];
  return typeof kind === 'string' && kind.length <= 80 ? kind : undefined;
}
