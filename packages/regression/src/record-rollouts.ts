import { existsSync } from 'node:fs';
import {
  attributeNames as names,
  check,
  ConfigurationError,
  toEpisode,
  type JsonValue,
  type LightningStore,
  type NamedResources,
  type Rollout,
  type RolloutMode,
  type Span,
} from '@agent-lightning/core';
import { writeFileAtomically } from '@agent-lightning/platform';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { recordingFormat, type RecordedCall, type RecordedChoice, type RecordedRollout } from './recording.ts';

export interface RecordOptions {
  /** The path of a SQLite store, such as `runs/…/store.sqlite`, or a store that is open. */
  readonly store: string | RecordableStore;
  /** The file to write; one that is there is replaced. */
  readonly file: string;
  /** The run whose rollouts are recorded. @default every run */
  readonly runId?: string;
  /** The modes of the rollouts that are recorded. @default every mode */
  readonly modes?: readonly RolloutMode[];
  /** The most rollouts, the newest first. @default 50 */
  readonly limit?: number;
}

/** The part of a store that is read. */
export type RecordableStore = Pick<LightningStore, 'queryRollouts' | 'querySpans' | 'getResources'>;

/** Counts the rollouts that were recorded, and names the others. */
export interface RecordSummary {
  readonly recorded: number;
  /** The ids of rollouts that cannot be replayed, each with its reason. */
  readonly leftOut: Readonly<Record<string, string>>;
}

/**
 * Writes rollouts of a store into a file, with the answers of their model calls, so that a test can run the agent again at no model cost.
 * Rollouts that failed, had no reward, or have calls that a gateway has not captured whole, are left out by name.
 * @throws {ConfigurationError} `option-invalid`, also when no rollout can be recorded
 */
export async function recordRollouts(options: RecordOptions): Promise<RecordSummary> {
  check.knownOptions('recordRollouts', options, ['store', 'file', 'runId', 'modes', 'limit']);
  const { store, file } = options;
  if (typeof store !== 'string') return await recordFrom(store, file, options);
  if (!existsSync(store))
    throw check.optionInvalid('recordRollouts: store', store, 'the path of a store that is there');
  // Without a watchdog nothing of the store changes: it would end the rollouts of a process that has died.
  const opened = await openSqliteStore({ path: store, watchdogIntervalMs: 0 });
  try {
    return await recordFrom(opened, file, options);
  } finally {
    await opened.close();
  }
}

async function recordFrom(
  store: RecordableStore,
  file: string,
  { runId, modes, limit = 50 }: RecordOptions,
): Promise<RecordSummary> {
  const { items } = await store.queryRollouts({
    statuses: ['succeeded'],
    order: 'desc',
    limit: check.wholeNumber('recordRollouts: limit', limit, 1, 10_000),
    ...(runId !== undefined && { runId }),
    ...(modes !== undefined && { modes }),
  });
  const lines = [JSON.stringify({ format: recordingFormat })];
  const leftOut: Record<string, string> = {};
  for (const rollout of items.toReversed()) {
    const recorded = await recordRollout(store, rollout);
    if (typeof recorded === 'string') leftOut[rollout.rolloutId] = recorded;
    else lines.push(JSON.stringify(recorded));
  }
  if (lines.length === 1) throw nothingRecorded(leftOut);
  await writeFileAtomically(file, `${lines.join('\n')}\n`);
  return { recorded: lines.length - 1, leftOut };
}

function nothingRecorded(leftOut: Readonly<Record<string, string>>): ConfigurationError {
  const [first] = Object.entries(leftOut);
  const reason =
    first === undefined ? 'the store has none that succeeded under these options' : `${first[0]}: ${first[1]}`;
  return new ConfigurationError(`recordRollouts: no rollout can be recorded; ${reason}`, { code: 'option-invalid' });
}

/** Returns a rollout as it is recorded, or the reason why it cannot be. */
async function recordRollout(store: RecordableStore, rollout: Rollout): Promise<RecordedRollout | string> {
  const { rolloutId, mode, input } = rollout;
  const spans = await store.querySpans({ rolloutIds: [rolloutId], attemptId: 'latest', includeTokens: true });
  const { reward } = toEpisode(rollout, spans);
  if (reward === undefined) return 'it has no reward';
  const captured = spans.filter(
    ({ kind, attributes }) => kind === 'model_call' && attributes[names.source] === 'gateway',
  );
  if (captured.length === 0) return 'no gateway has captured a model call of it';
  const calls = readCalls(captured);
  if (typeof calls === 'string') return calls;
  return { rolloutId, mode, input, resources: await readResources(store, rollout), reward, calls };
}

async function readResources(store: RecordableStore, { resourcesId }: Rollout): Promise<NamedResources> {
  return resourcesId === undefined ? {} : ((await store.getResources(resourcesId))?.resources ?? {});
}

/** Returns the calls that were answered, or the reason why one cannot be replayed. */
function readCalls(captured: readonly Span[]): readonly RecordedCall[] | string {
  const calls: RecordedCall[] = [];
  for (const first of captured) {
    if (first.attributes[names.promptSpan] !== undefined || first.status.code === 'error') continue;
    const choices = [first, ...captured.filter(({ attributes }) => attributes[names.promptSpan] === first.spanId)].map(
      readChoice,
    );
    const messages = parse(first.attributes[names.inputMessages]);
    if (!Array.isArray(messages) || choices.includes(undefined))
      return `the texts of its model call ${first.spanId} were too long for the store`;
    calls.push({
      messages: messages as readonly JsonValue[],
      tools: (parse(first.attributes[names.toolDefinitions]) ?? []) as readonly JsonValue[],
      choices: choices as readonly RecordedChoice[],
      inputTokens: Number(first.attributes[names.inputTokens] ?? 0),
      outputTokens: Number(first.attributes[names.outputTokens] ?? 0),
    });
  }
  return calls;
}

function readChoice({ attributes }: Span): RecordedChoice | undefined {
  const messages = parse(attributes[names.outputMessages]);
  const message: unknown = Array.isArray(messages) ? messages[0] : undefined;
  const reasons = attributes[names.finishReasons];
  const finishReason = Array.isArray(reasons) ? String(reasons[0]) : 'stop';
  return message === undefined ? undefined : { message: message as RecordedChoice['message'], finishReason };
}

function parse(json: unknown): unknown {
  return typeof json === 'string' ? (JSON.parse(json) as unknown) : undefined;
}
