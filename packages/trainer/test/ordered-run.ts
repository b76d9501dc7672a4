import type { BatchSample, Rollout, TrainablePolicy, TrainingBackend } from '@agent-lightning/core';
import type { TrainerOptions } from '../src/index.ts';
import { withMethod } from './with-method.ts';

export interface OrderedRunOptions<Task, Backend extends TrainingBackend> {
  readonly backend: Backend;
  readonly rollout: TrainerOptions<Task>['rollout'];
  readonly maxStaleness: number;
  readonly steps: number;
  readonly groupSize: number;
  readonly tasksPerStep: number;
}

/** Returns the step that a rollout is of; none for one of a validation. */
export function stepOf(rolloutId: string): number {
  return Number(/\.s(\d+)\./.exec(rolloutId)?.[1]);
}

/**
 * Returns the options of a run that samples ahead, whose rollouts are answered by the same versions each time, however busy the machine
 * is. The samples of a group are dealt into equal parts: the first is `maxStaleness` versions old when it trains, the last is new. Those
 * of an old version are asked for while the pass runs whose update makes it old, which does not end before they have.
 */
export function orderRun<Task, Backend extends TrainingBackend>({
  backend,
  rollout,
  ...shape
}: OrderedRunOptions<Task, Backend>): Pick<
  TrainerOptions<Task>,
  'backend' | 'rollout' | 'maxStaleness' | 'runners' | 'hooks'
> {
  const order = new SamplingOrder(shape);
  return {
    backend: holdPasses(backend, order),
    rollout: async (task, context) => {
      await order.untilTurn(context.rollout);
      return await rollout(task, context);
    },
    maxStaleness: shape.maxStaleness,
    runners: (shape.maxStaleness + 1) * shape.tasksPerStep * shape.groupSize, // those that wait for their turn hold up nobody
    hooks: {
      onStep: ({ step }) => order.stepEnded(step),
      onRolloutEnd: ({ rollout: ended }) => order.rolloutEnded(ended),
    },
  };
}

class SamplingOrder {
  readonly #shape: Omit<OrderedRunOptions<never, never>, 'backend' | 'rollout'>;
  readonly #moments = new Map<string, PromiseWithResolvers<void>>();
  readonly #ended = new Map<string, number>();

  constructor(shape: Omit<OrderedRunOptions<never, never>, 'backend' | 'rollout'>) {
    this.#shape = shape;
  }

  /** Waits until the version that answers a rollout is there and, for one that becomes old, until the pass runs that makes it so. */
  async untilTurn({ rolloutId, metadata }: Rollout): Promise<void> {
    const step = stepOf(rolloutId);
    if (Number.isNaN(step)) return;
    const age = this.#ageOf(step, Number(metadata['sample']));
    const version = step - 1 - age;
    if (version > 0) await this.#moment(`step ${version}`).promise;
    // A step that teaches nothing has no pass, and makes nothing old.
    const passOrStep = [`pass ${version + 1}`, `step ${version + 1}`].map((name) => this.#moment(name).promise);
    if (age > 0) await Promise.race(passOrStep);
  }

  rolloutEnded({ rolloutId, metadata }: Rollout): void {
    const step = stepOf(rolloutId);
    if (Number.isNaN(step)) return;
    const part = `rollouts of step ${step} of age ${this.#ageOf(step, Number(metadata['sample']))}`;
    const ended = (this.#ended.get(part) ?? 0) + 1;
    this.#ended.set(part, ended);
    if (ended === this.#countOf(part)) this.#moment(part).resolve();
  }

  stepEnded(step: number): void {
    this.#moment(`step ${step}`).resolve();
  }

  /** Says that the pass of a step runs, and waits for the rollouts of later steps that no newer version may answer. */
  async untilSampled(step: number): Promise<void> {
    this.#moment(`pass ${step}`).resolve();
    await Promise.all(
      this.#parts().flatMap(({ name, step: own, age }) =>
        own > step && own - age <= step ? [this.#moment(name).promise] : [],
      ),
    );
  }

  /** Returns the number of versions that come between the answer to a sample and its training. */
  #ageOf(step: number, sample: number): number {
    const { maxStaleness, groupSize } = this.#shape;
    return Math.min(step - 1, maxStaleness - Math.floor((sample * (maxStaleness + 1)) / groupSize));
  }

  /** Returns the parts of all steps, with the number of rollouts in each. */
  #parts(): readonly { readonly name: string; readonly step: number; readonly age: number; readonly count: number }[] {
    const { steps, groupSize, tasksPerStep } = this.#shape;
    return Array.from({ length: steps }, (_, index) => index + 1).flatMap((step) => {
      const ages = Array.from({ length: groupSize }, (_, sample) => this.#ageOf(step, sample));
      return [...new Set(ages)].map((age) => ({
        name: `rollouts of step ${step} of age ${age}`,
        step,
        age,
        count: tasksPerStep * ages.filter((each) => each === age).length,
      }));
    });
  }

  #countOf(part: string): number | undefined {
    return this.#parts().find(({ name }) => name === part)?.count;
  }

  #moment(name: string): PromiseWithResolvers<void> {
    const moment = this.#moments.get(name) ?? Promise.withResolvers<void>();
    this.#moments.set(name, moment);
    return moment;
  }
}

/** Returns the backend, whose passes end when they have been computed and the order lets them. */
function holdPasses<Backend extends TrainingBackend>(backend: Backend, order: SamplingOrder): Backend {
  return withMethod(backend, 'createPolicy', async (spec: Parameters<TrainingBackend['createPolicy']>[0]) => {
    const policy = await backend.createPolicy(spec);
    const forwardBackward: TrainablePolicy['forwardBackward'] = async (rows, ...rest) => {
      const computed = policy.forwardBackward(rows, ...rest);
      const [first] = rows as readonly BatchSample[];
      const [outcome] = await Promise.all([computed, order.untilSampled(stepOf(first!.rolloutId))]);
      return outcome;
    };
    return withMethod(policy, 'forwardBackward', forwardBackward);
  });
}
