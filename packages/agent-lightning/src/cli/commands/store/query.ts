import { Option, type Command } from 'commander';
import { toEpisode, type LightningStore, type Rollout } from '@agent-lightning/core';
import { describeRollout, viewRollout } from '@agent-lightning/report';
import { withStore } from '../../../stored/open-store.ts';
import { defineCommand, runAs, type Outcome } from '../../define-command.ts';
import { readWholeNumber } from '../../read-number.ts';
import { addStoreArgument, findNamedStore, type StoreOptions } from './store-options.ts';

interface QueryOptions extends StoreOptions {
  readonly rollout?: string;
  readonly run?: string;
  readonly group?: string;
  readonly status?: Rollout['status'];
  readonly mode?: Rollout['mode'];
  readonly limit: number;
  readonly cursor?: string;
  readonly oldest?: boolean;
}

const statuses: readonly Rollout['status'][] = [
  'queuing',
  'preparing',
  'running',
  'requeuing',
  'succeeded',
  'failed',
  'cancelled',
];

/** Adds `store query`. */
export function addQueryCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'query',
    summary: 'list rollouts with their rewards, or show one as it went',
    details: 'Lists the newest first, and counts what the whole store holds.',
    examples: [
      ['agent-lightning store query runs/a', 'the newest 20 rollouts of a run'],
      ['agent-lightning store query runs/a --status failed --limit 100', 'rollouts that failed'],
      [
        'agent-lightning store query runs/a --rollout run.s3.g0.k1',
        'one rollout with its messages, tool calls and reward',
      ],
    ],
  })
    .option('--rollout <id>', 'show this rollout as it went')
    .option('--run <id>', 'only rollouts of this run')
    .option('--group <id>', 'only rollouts of this group')
    .addOption(new Option('--status <status>', 'only rollouts with this status').choices(statuses))
    .addOption(new Option('--mode <mode>', 'only rollouts of this mode').choices(['train', 'val', 'test']))
    .option('--limit <number>', 'how many to list', readWholeNumber(1), 20)
    .option('--cursor <cursor>', 'go on after the list that ended with this cursor')
    .option('--oldest', 'list the oldest first');
  addStoreArgument(command);
  runAs<QueryOptions>(command, async (invocation) => {
    const { options, refuse } = invocation;
    return await withStore(findNamedStore(invocation), async (store) => {
      if (options.rollout !== undefined) return await showRollout(store, options.rollout, refuse);
      return await listRollouts(store, options);
    });
  });
}

async function showRollout(
  store: LightningStore,
  rolloutId: string,
  refuse: (message: string) => never,
): Promise<Outcome> {
  const rollout = await store.getRollout(rolloutId);
  if (rollout === undefined) return refuse(`the store has no rollout ${rolloutId}`);
  const spans = await store.querySpans({ rolloutIds: [rolloutId], attemptId: 'latest' });
  const attempts = await store.queryAttempts(rolloutId);
  return { text: describeRollout(viewRollout(toEpisode(rollout, spans), spans)), json: { rollout, attempts, spans } };
}

async function listRollouts(store: LightningStore, options: QueryOptions): Promise<Outcome> {
  const { run, group, status, mode, limit, cursor, oldest } = options;
  const { items, nextCursor } = await store.queryRollouts({
    limit,
    order: oldest === true ? 'asc' : 'desc',
    ...(run !== undefined && { runId: run }),
    ...(group !== undefined && { groupId: group }),
    ...(status !== undefined && { statuses: [status] }),
    ...(mode !== undefined && { modes: [mode] }),
    ...(cursor !== undefined && { cursor }),
  });
  const spans = await store.querySpans({
    rolloutIds: items.map(({ rolloutId }) => rolloutId),
    attemptId: 'latest',
    kinds: ['reward'],
  });
  const byRollout = Map.groupBy(spans, ({ rolloutId }) => rolloutId);
  const rollouts = items.map((rollout) => {
    const { reward } = toEpisode(rollout, byRollout.get(rollout.rolloutId) ?? []);
    return { ...rollout, ...(reward !== undefined && { reward }) };
  });
  const statistics = await store.statistics();
  const counts = Object.entries(statistics.rollouts).flatMap(([name, count]) =>
    count === 0 ? [] : `${count} ${name}`,
  );
  return {
    text: [
      `${rollouts.length} rollouts are shown; the store holds ${counts.join(', ') || 'none'}; ${statistics.spans} spans, ${statistics.tokens} tokens`,
      ...writeTable(rollouts),
      ...(nextCursor === undefined ? [] : [`more: --cursor ${nextCursor}`]),
    ].join('\n'),
    json: { rollouts, statistics, ...(nextCursor !== undefined && { nextCursor }) },
  };
}

function writeTable(rollouts: readonly (Rollout & { readonly reward?: number })[]): readonly string[] {
  const rows = rollouts.map(({ rolloutId, mode, status, reward, attemptCount, createdAtMs, failure }) => [
    rolloutId,
    mode,
    status,
    reward === undefined ? '-' : String(Math.round(reward * 1_000) / 1_000),
    String(attemptCount),
    new Date(createdAtMs).toISOString(),
    failure === undefined ? '' : failure.code,
  ]);
  if (rows.length === 0) return [];
  const table = [['rollout', 'mode', 'status', 'reward', 'attempts', 'created', 'failure'], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}
