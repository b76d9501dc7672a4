import {
  buildBatch,
  type BackendCapabilities,
  type Episode,
  type LightningBatch,
  type Rollout,
  type Transition,
  optionInvalid,
  wholeNumber,
} from '@agent-lightning/core';
import { planTrainingStep, RolloutCollector, Session } from '@agent-lightning/run';
import { baseRelease } from './grpo/policies/create-policy.ts';
import { isRouted } from './grpo/policies/policy-options.ts';
import { countUnselectedCalls, describeOutsideCalls, findUnmatchedPatterns } from './grpo/step/agents-seen.ts';
import { withinLimits } from './grpo/step/trainable-calls.ts';
import { diagnoseSignal } from './grpo/step/training-signal.ts';
import type { ResolvedTrainerOptions } from './trainer-options.ts';

export interface DevOptions<Task> {
  /** A few; each runs `samples` times. */
  readonly tasks: readonly Task[];
  /** Rollouts of each task, at least 2. @default 4 */
  readonly samples?: number;
}

/** What a dry run saw. */
export interface DevReport {
  /** Whether training would have something to learn from, and every `agentMatch` selects an agent that ran. */
  readonly ok: boolean;
  readonly rollouts: number;
  readonly succeeded: number;
  /** Failed rollouts by failure code. */
  readonly failures: Readonly<Record<string, number>>;
  /** Rewards in the order of the rollouts; undefined where none arrived. */
  readonly rewards: readonly (number | undefined)[];
  readonly groups: number;
  /** Groups whose rollouts have different rewards. */
  readonly groupsWithVariance: number;
  /** Calls that can be trained on, by agent. */
  readonly trainableCalls: Readonly<Record<string, number>>;
  /** Calls that cannot, by reason. */
  readonly untrainableCalls: Readonly<Record<string, number>>;
  /** Calls of agents that `agentMatch` does not select, which keep their own model, by agent. */
  readonly unselectedCalls: Readonly<Record<string, number>>;
  readonly tokensSampled: number;
  /** Rows that the trainable calls of groups with variance became; fewer than calls where calls continue each other. */
  readonly rows: number;
  readonly callsInRows: number;
  /** What to mend or to know, in plain words. */
  readonly findings: readonly string[];
}

/** Runs tasks through gateway and store, in memory, and looks at what training would get. */
export async function dryRun<Task>(
  options: ResolvedTrainerOptions<Task>,
  dev: DevOptions<Task>,
  { maxRowTokens }: BackendCapabilities,
): Promise<DevReport> {
  if (!Array.isArray(dev.tasks) || dev.tasks.length === 0)
    throw optionInvalid('dev: tasks', JSON.stringify(dev.tasks), 'an array of at least one task');
  const samples = wholeNumber('dev: samples', dev.samples ?? 4, 2);
  const runId = 'dev';
  const session = await Session.open({
    trainer: { ...options, store: undefined, gateway: undefined },
    runId,
    storePath: undefined,
    hooks: options.hooks,
  });
  try {
    for (const { name } of options.policies)
      await session.publish(name, await baseRelease(options.backend, name, options.seed));
    session.start();
    const collector = new RolloutCollector({
      store: session.store,
      runId,
      retry: options.retry,
      attemptTimeoutMs: options.attemptTimeoutMs,
      resumed: false,
      policies: options.policies.map(({ name }) => name),
    });
    const stopping = options.signal === undefined ? session.failed : AbortSignal.any([options.signal, session.failed]);
    const rollouts = await collector.collect(planTrainingStep(0, dev.tasks, [...dev.tasks.keys()], samples), stopping);
    const limits = { maxRowTokens, versions: {}, maxStaleness: Infinity };
    const episodes = (await collector.readEpisodes(rollouts)).map((episode) => withinLimits(episode, limits));
    const report = examine(options, rollouts, episodes);
    options.logger.info(describeReport(report));
    return report;
  } finally {
    await session.close();
  }
}

function examine<Task>(
  options: ResolvedTrainerOptions<Task>,
  rollouts: readonly Rollout[],
  episodes: readonly Episode[],
): DevReport {
  const { credit, estimator, rows, tokenWeighting, intermediate } = options.algorithm;
  const batch = buildBatch(episodes, {
    credit,
    estimator,
    rows,
    tokenWeighting,
    ...(intermediate === undefined ? {} : { intermediate }),
  });
  const calls = episodes.flatMap((episode) => episode.transitions);
  const groups = new Set(rollouts.map((rollout) => rollout.groupId)).size;
  const unusedMatches = [
    ...findUnmatchedPatterns(episodes).map(({ message }) => message),
    ...unusedPolicies(options, calls),
  ];
  return {
    ok: batch.rows.length > 0 && unusedMatches.length === 0,
    rollouts: rollouts.length,
    succeeded: rollouts.filter((rollout) => rollout.status === 'succeeded').length,
    failures: countBy(
      rollouts.filter((rollout) => rollout.status !== 'succeeded'),
      (rollout) => rollout.failure?.code ?? rollout.status,
    ),
    rewards: episodes.map((episode) => episode.reward),
    groups,
    groupsWithVariance: batch.groupIds.length,
    trainableCalls: countBy(calls, (call) => call.agentName),
    untrainableCalls: countBy(
      episodes.flatMap((episode) => episode.untrainable),
      (call) => call.reason,
    ),
    unselectedCalls: countUnselectedCalls(episodes),
    tokensSampled: calls.reduce((sum, call) => sum + call.responseTokens.length, 0),
    rows: batch.rows.length,
    callsInRows: batch.rows.reduce((sum, row) => sum + row.segments.length, 0),
    findings: findingsOf(rollouts, episodes, batch, unusedMatches),
  };
}

function findingsOf(
  rollouts: readonly Rollout[],
  episodes: readonly Episode[],
  batch: LightningBatch,
  unusedMatches: readonly string[],
): readonly string[] {
  const findings: string[] = [];
  const noSignal = diagnoseSignal(rollouts, episodes, batch);
  if (noSignal !== undefined) findings.push(noSignal.message);
  if (noSignal?.cause !== 'no-calls') findings.push(...unusedMatches, ...describeOutsideCalls(episodes));
  const failed = rollouts.filter((rollout) => rollout.status !== 'succeeded');
  if (failed.length > 0 && noSignal?.cause !== 'all-failed' && noSignal?.cause !== 'outage') {
    findings.push(
      `${failed.length} of ${rollouts.length} rollouts failed, for example ${failed[0]!.failure?.code}: "${failed[0]!.failure?.message}"`,
    );
  }
  const silent = episodes.filter((episode) => episode.transitions.length === 0 && episode.untrainable.length === 0);
  if (silent.length > 0 && noSignal?.cause !== 'no-calls')
    findings.push(`${silent.length} rollouts made no model call that trains`);
  if (batch.dropped.missingReward.length > 0 && noSignal?.cause !== 'no-reward')
    findings.push(`${batch.dropped.missingReward.length} rollouts have no reward and are left out`);
  for (const episode of episodes)
    for (const problem of episode.problems ?? [])
      findings.push(`rollout ${episode.rollout.rolloutId}: ${problem.reason}`);
  return findings;
}

/** Of several policies those that no call reached. */
function unusedPolicies<Task>(
  { policies }: ResolvedTrainerOptions<Task>,
  calls: readonly Transition[],
): readonly string[] {
  if (!isRouted(policies) || calls.length === 0) return [];
  return policies
    .filter(({ name }) => calls.every((call) => call.policy !== name))
    .map(
      ({ name, agentMatch }) => `no call that can be trained on reached the policy "${name}" (${String(agentMatch)})`,
    );
}

function describeReport(report: DevReport): string {
  const rewards = report.rewards.filter((reward) => reward !== undefined);
  const mean =
    rewards.length === 0 ? 'none' : (rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length).toFixed(3);
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${name || '(no name)'} ${count}`)
      .join(', ') || 'none';
  const unselected =
    Object.keys(report.unselectedCalls).length === 0
      ? ''
      : ` · calls of agents that are not selected: ${list(report.unselectedCalls)}`;
  return [
    `dry run: ${report.succeeded} of ${report.rollouts} rollouts succeeded · mean reward ${mean} · ${report.groupsWithVariance} of ${report.groups} groups have different rewards`,
    `calls that train: ${list(report.trainableCalls)} (${report.tokensSampled} tokens) · calls that do not: ${list(report.untrainableCalls)}${unselected}`,
    `${report.callsInRows} calls became ${report.rows} rows`,
    ...report.findings.map((finding) => `- ${finding}`),
    report.ok ? 'ready to train' : 'not ready to train',
  ].join('\n');
}

function countBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[keyOf(item)] = (counts[keyOf(item)] ?? 0) + 1;
  return counts;
}
