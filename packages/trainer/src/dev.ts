import { check, type AgentMatch, type Episode, type Examination, type Rollout } from '@agent-lightning/core';
import { countFailures, describeFailure, type FailureScoring, planGroups, type SpendMeter } from '@agent-lightning/run';
import { describeDevReport } from './dev-text.ts';
import { examineCalls, type CallExamination } from './dev-calls.ts';
import { countOwnCalls, examineOwnModels, type OwnModelCalls } from './dev-own-models.ts';
import { countGroupsWithVariance } from './groups-with-variance.ts';
import { toPlainTasks } from './plain-tasks.ts';
import { describeTellingRollout } from './telling-rollout.ts';
import { createScorer } from './group-reward.ts';
import { runOnMeter } from './open-meter.ts';
import { toHost } from './open-run.ts';
import { openCollector, runAside } from './run-aside.ts';
import { StepEpisodes } from './step-episodes.ts';
import type { ResolvedTrainerOptions } from './trainer-options.ts';

export interface DevOptions<Task> {
  /** A few tasks; each runs `samples` times. */
  readonly tasks: readonly Task[];
  /** Rollouts of each task, at least 2. @default 4 */
  readonly samples?: number;
  /** Agents whose model calls may go elsewhere though `agentMatch` selects them, by their names. @default none: such a call makes the dry run fail */
  readonly allowOutside?: AgentMatch;
  /**
   * The models that answer: `policy`, as in training; `own`, those that the agents ask today, where `context.llm` throws and no tokens are seen.
   * @default 'own' where the trainer has no backend and its algorithm needs one, else 'policy'
   */
  readonly models?: 'policy' | 'own';
}

/** The result of a dry run. */
export interface DevReport {
  /**
   * True when the algorithm would have something to learn from, every `agentMatch` selects an agent that ran, no call of a selected agent
   * went past the policy, and `failureReward` is not above what a rollout earned. On the agents' own models, where `agentMatch` is not
   * checked: when agents called models and earned different rewards, and `failureReward` is as said.
   */
  readonly ok: boolean;
  readonly rollouts: number;
  readonly succeeded: number;
  /** Failed rollouts by failure code. */
  readonly failures: Readonly<Record<string, number>>;
  /** Rewards in the order of the rollouts, those of failures that count among them; undefined where none arrived, and for failures of the world. */
  readonly rewards: readonly (number | undefined)[];
  readonly groups: number;
  /** Groups whose rollouts have different rewards. */
  readonly groupsWithVariance: number;
  /** Calls that can be trained on, by agent. */
  readonly trainableCalls: Readonly<Record<string, number>>;
  /** Calls that cannot be trained on, by reason. */
  readonly untrainableCalls: Readonly<Record<string, number>>;
  /** Calls of agents that `agentMatch` does not select, which keep their own model, by agent. */
  readonly unselectedCalls: Readonly<Record<string, number>>;
  /** Every model call that the rollouts made, by what became of it, agent, host and client. */
  readonly calls: CallExamination['table']['rows'];
  /** The model calls of agents that adapters follow, where the agents asked their own models. */
  readonly ownCalls: readonly OwnModelCalls[];
  readonly tokensSampled: number;
  /** Samples that the trainable calls of groups with variance became; fewer than calls where calls continue each other. */
  readonly samples: number;
  readonly callsInSamples: number;
  /** Sentences that say what to correct or to know. */
  readonly findings: readonly string[];
}

/** The names of the options of a dry run. */
export const devOptionNames: Readonly<Record<keyof DevOptions<never>, true>> = {
  tasks: true,
  samples: true,
  allowOutside: true,
  models: true,
};

/** Tells whether agents ask their own models in a dry run. @throws {ConfigurationError} `option-invalid` */
export function asksOwnModels(
  { algorithm, backend }: Pick<ResolvedTrainerOptions, 'algorithm' | 'backend'>,
  { models }: Pick<DevOptions<never>, 'models'>,
): boolean {
  const needsBackend = algorithm.uses.backend;
  if (models === undefined) return needsBackend && backend === undefined;
  return check.oneOf('dev: models', models, ['policy', 'own']) === 'own' && needsBackend;
}

/** Runs tasks through a gateway and a store in memory, and reports whether the algorithm could learn from them. */
export async function dryRun<Task>(options: ResolvedTrainerOptions<Task>, dev: DevOptions<Task>): Promise<DevReport> {
  return await runOnMeter(options, (meter) => dryRunOnMeter(options, dev, meter));
}

async function dryRunOnMeter<Task>(
  options: ResolvedTrainerOptions<Task>,
  dev: DevOptions<Task>,
  meter: SpendMeter,
): Promise<DevReport> {
  const isOwn = asksOwnModels(options, dev);
  if (!Array.isArray(dev.tasks) || dev.tasks.length === 0)
    throw check.optionInvalid('dev: tasks', dev.tasks, 'an array of at least one task');
  const tasks = toPlainTasks('dev: tasks', dev.tasks as readonly Task[]);
  const samples = check.wholeNumber('dev: samples', dev.samples ?? 4, 2);
  if (dev.allowOutside !== undefined) check.agentMatch('dev: allowOutside', dev.allowOutside);
  const aside = { runId: 'dev', title: 'the dry run', rollouts: tasks.length * samples, meter, isOwn };
  return await runAside(options, aside, async (parts) => {
    const { trainer, session, stopping, failures } = parts;
    const rehearsal = isOwn ? undefined : await options.algorithm.rehearse(toHost(trainer, session, tasks, stopping));
    session.start();
    const collector = openCollector(options, aside, parts, rehearsal);
    const planned = planGroups(0, tasks, [...tasks.keys()], samples, rehearsal?.resourcesId);
    const rollouts = await collector.collect(planned, stopping);
    const read = await new StepEpisodes(collector, createScorer({ options, session, collector })).read(rollouts);
    const ownCalls = isOwn ? countOwnCalls(await collector.readSpans(rollouts)) : [];
    const examined =
      rehearsal === undefined ? examineOwnModels(read, ownCalls) : await rehearsal.examine(rollouts, read);
    const examination = { episodes: read, ...examined };
    const calls = examineCalls(examination.episodes, dev.allowOutside);
    const report = { ...toDevReport(rollouts, examination, calls, failures), ownCalls };
    const rollout = await describeTellingRollout(collector, examination.episodes);
    const table = session.gateway === undefined ? undefined : calls.table.describe();
    options.logger.info(describeDevReport(report, { table, rollout, isOwn }));
    return report;
  });
}

function toDevReport(
  rollouts: readonly Rollout[],
  examination: Examination & Required<Pick<Examination, 'episodes'>>,
  { table, ...where }: CallExamination,
  { complaint, failureReward }: FailureScoring,
): Omit<DevReport, 'ownCalls'> {
  const { episodes, findings, samples = 0, callsInSamples = 0 } = examination;
  const { groupsWithVariance = countGroupsWithVariance(episodes) } = examination;
  const calls = episodes.flatMap((episode) => episode.transitions);
  const unselected = table.rows.filter(({ fate }) => fate === 'not selected');
  // Where every rollout failed alike, the examination has said so, and why.
  const counted = countFailures(episodes);
  const isTold = counted.length === 1 && counted[0]!.count === rollouts.length && findings.length > 0;
  const failureFindings = isTold ? [] : counted.map((failure) => describeFailure(failure, failureReward));
  const failed = rollouts.filter((rollout) => rollout.status !== 'succeeded');
  return {
    ok: examination.ok && complaint === undefined && where.ok,
    rollouts: rollouts.length,
    succeeded: rollouts.length - failed.length,
    failures: countBy(failed, (rollout) => rollout.failure?.code ?? rollout.status),
    rewards: episodes.map((episode: Episode) => episode.reward),
    groups: new Set(rollouts.map((rollout) => rollout.groupId)).size,
    groupsWithVariance,
    trainableCalls: countBy(calls, (call) => call.agentName),
    untrainableCalls: countBy(
      episodes.flatMap((episode) => episode.untrainable),
      (call) => call.reason,
    ),
    unselectedCalls: countBy(
      unselected.flatMap((row) => Array.from({ length: row.calls }, () => row)),
      ({ agent }) => agent,
    ),
    calls: table.rows,
    tokensSampled: calls.reduce((sum, call) => sum + call.responseIds.length, 0),
    samples,
    callsInSamples,
    findings: [
      ...(complaint === undefined ? [] : [complaint]),
      ...findings,
      // A dry run without any call that trains has told it already, as the reason.
      ...where.findings.filter((each) => !findings.some((told) => told.includes(each.split(';')[0]!))),
      ...failureFindings,
    ],
  };
}

function countBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[keyOf(item)] = (counts[keyOf(item)] ?? 0) + 1;
  return counts;
}
