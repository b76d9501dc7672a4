import type { AlgorithmHost, AlgorithmRun, Episode, PlannedRollout } from '@agent-lightning/core';
import { planGroups, TaskOrder, TaskSchedule, type TaskScheduleState, type VisitedTask } from '@agent-lightning/run';
import type { GrpoSettings } from '../grpo-options.ts';
import { extendGroups } from './extend-groups.ts';
import { groupRewards, isFlat, readRewards, widenRange, type RewardRange } from './group-rewards.ts';

/** A step whose planned rollouts are all final. */
export type StepSoFar = Parameters<NonNullable<AlgorithmRun['extend']>>[0];

/** The things that the plan of a step depends on, besides seed and step; JSON. */
export interface PlanState {
  readonly schedule: TaskScheduleState;
  /** The range of the rewards that rollouts which were learned from earned; undefined before the first. */
  readonly rewards?: RewardRange;
}

type PlannerSettings = Pick<GrpoSettings, 'groupSize' | 'tasksPerStep' | 'refill' | 'extendFailed' | 'taskSchedule'>;

/** Plans the rollouts of each step of a run of GRPO. */
export class StepPlanner {
  readonly #settings: PlannerSettings;
  readonly #host: Pick<AlgorithmHost, 'tasks' | 'maxStaleness'>;
  readonly #order: TaskOrder;
  readonly #schedule: TaskSchedule;
  state: PlanState = { schedule: TaskSchedule.initial };

  constructor(settings: PlannerSettings, host: Pick<AlgorithmHost, 'tasks' | 'maxStaleness' | 'seed'>) {
    const { tasksPerStep } = settings;
    const options = { taskCount: host.tasks.length, tasksPerStep, seed: host.seed };
    this.#settings = settings;
    this.#host = host;
    this.#order = new TaskOrder(options);
    this.#schedule = new TaskSchedule(options);
  }

  /** Returns the rollouts of a step: each of its tasks `groupSize` times. */
  plan(step: number): readonly PlannedRollout[] {
    const tasks = this.#visitsBySuccess ? this.#schedule.nextTasks(this.state.schedule) : this.#order.tasksOf(step);
    return planGroups(step, this.#host.tasks, tasks, this.#settings.groupSize);
  }

  /** Returns the rollouts that a step needs more: of groups that it has, and of further tasks. */
  extend({ step, planned, rollouts: finished, episodes }: StepSoFar): readonly PlannedRollout[] {
    // The agent is broken, or its model is away: more of the same would not help.
    if (!finished.some(({ status }) => status === 'succeeded')) return [];
    const { groupSize, tasksPerStep, refill, extendFailed } = this.#settings;
    const groups = groupRewards(planned, episodes);
    const { rollouts, tasks } = extendGroups(groups, widenRange(this.state.rewards, groups), {
      rolloutsPerFailedGroup: Math.floor(extendFailed * groupSize),
      groups: tasksPerStep,
      furtherGroups: Math.floor(refill * tasksPerStep),
    });
    const taken = new Set(planned.map(({ metadata }) => metadata['task'] as number));
    const further = this.#schedule.furtherTasks(this.state.schedule, step, taken, tasks);
    const refills = planGroups(step, this.#host.tasks, further, groupSize, undefined, groups.length);
    return [...rollouts, ...refills.map((each) => ({ ...each, metadata: { ...each.metadata, more: 'flat' } }))];
  }

  /** Notes what a step came to, for the plans of later steps. */
  advance(step: number, episodes: readonly Episode[]): void {
    const groups = [...Map.groupBy(episodes, ({ rollout }) => rollout.groupId).values()].map((group) => ({
      task: group[0]!.rollout.metadata['task'] as number,
      ...readRewards(group),
    }));
    const rewards = widenRange(this.state.rewards, groups);
    this.state = { schedule: this.#advanceSchedule(step, groups), ...(rewards === undefined ? {} : { rewards }) };
  }

  /** Returns the epoch in which a step begins, from 0. */
  epochOf(step: number): number {
    return this.#visitsBySuccess ? this.#schedule.epochOf(this.state.schedule) : this.#order.epochOf(step);
  }

  #advanceSchedule(
    step: number,
    groups: readonly { readonly task: number; readonly rewards: readonly number[] }[],
  ): TaskScheduleState {
    const position = step * this.#settings.tasksPerStep;
    if (!this.#visitsBySuccess) return { ...this.state.schedule, position };
    const compared = groups
      .filter(({ rewards }) => rewards.length > 1)
      .map((group): VisitedTask => ({ task: group.task, isFlat: isFlat(group) }));
    return this.#schedule.advance(this.state.schedule, compared);
  }

  /** True when steps follow from those before: sampled ahead, a step is planned before they are learned from. */
  get #visitsBySuccess(): boolean {
    return this.#settings.taskSchedule !== 'even' && this.#host.maxStaleness === 0;
  }
}
