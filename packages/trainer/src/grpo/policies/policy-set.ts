import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TrainablePolicy, TrainingBackend, TrainingGateway, RoutedPolicy } from '@agent-lightning/core';
import { createPolicy } from './create-policy.ts';
import { initialSizing, type StepSizing } from '../step/step-size.ts';
import { isRouted } from '../../policy-options.ts';

/** A version of each policy, by name. */
export type PolicyVersions = Readonly<Record<string, number>>;

/** Returns the versions after an update of some policies: theirs are one more. */
export function increaseVersions(versions: PolicyVersions, names: readonly string[]): PolicyVersions {
  return { ...versions, ...Object.fromEntries(names.map((name) => [name, (versions[name] ?? 0) + 1])) };
}

/** A policy that trains, under the name that agents and spans see. */
export interface TrainedPolicy extends RoutedPolicy {
  readonly learningRate: number | 'auto';
  readonly policy: TrainablePolicy;
}

/** The policies of a run: created, saved and loaded together, so that a checkpoint has all of them at one step or none. */
export class PolicySet {
  readonly all: readonly TrainedPolicy[];

  private constructor(all: readonly TrainedPolicy[]) {
    this.all = all;
  }

  /** Creates policies that start from the base model, each with a seed of its own. */
  static async create(
    backend: TrainingBackend,
    policies: readonly RoutedPolicy[],
    learningRate: number | 'auto',
    seed: number,
  ): Promise<PolicySet> {
    const all: TrainedPolicy[] = [];
    for (const [index, each] of policies.entries())
      all.push({
        ...each,
        learningRate: each.learningRate ?? learningRate,
        policy: await createPolicy(backend, each.name, seed + index),
      });
    return new PolicySet(all);
  }

  get names(): readonly string[] {
    return this.all.map(({ name }) => name);
  }

  /** Returns what is known, before the first update, of the size of the updates of each policy whose learning rate is 'auto'. */
  initialSizing(start: number): Readonly<Record<string, StepSizing>> {
    const sized = this.all.filter(({ learningRate }) => learningRate === 'auto');
    return Object.fromEntries(sized.map(({ name }) => [name, initialSizing(start)]));
  }

  /** Publishes the present weights of these policies for new calls; calls in flight end on the version that they began with. */
  async publish(
    names: readonly string[],
    versions: PolicyVersions,
    gateway: Pick<TrainingGateway, 'publish'>,
  ): Promise<void> {
    const published = this.all.filter(({ name }) => names.includes(name));
    await Promise.all(
      published.map(async ({ name, policy }) => gateway.publish(name, await policy.publish(versions[name] ?? 0))),
    );
  }

  /** Writes each policy's state below `directory`. */
  async saveState(directory: string): Promise<void> {
    await this.#each(directory, 'policy', 'policies', async (policy, path) => {
      await mkdir(dirname(path), { recursive: true });
      await policy.saveState(path);
    });
  }

  async loadState(directory: string): Promise<void> {
    await this.#each(directory, 'policy', 'policies', (policy, path) => policy.loadState(path));
  }

  /** Frees what the states below `directory` hold elsewhere; called before it is deleted. */
  async discardState(directory: string): Promise<void> {
    await this.#each(directory, 'policy', 'policies', async (policy, path) => policy.discardState?.(path));
  }

  /** Writes the weights: into `directory`, or where there are several into a folder below it for each. */
  async exportModel(directory: string): Promise<void> {
    await this.#each(directory, '', '', async (policy, path) => {
      await mkdir(dirname(path), { recursive: true });
      await policy.exportModel(path);
    });
  }

  /** Calls `work` for one policy after the other, with its folder: `only` below `directory`, or with several policies each its own below `several`. */
  async #each(
    directory: string,
    only: string,
    several: string,
    work: (policy: TrainablePolicy, path: string) => Promise<void>,
  ): Promise<void> {
    for (const { name, policy } of this.all)
      await work(policy, isRouted(this.all) ? join(directory, several, name) : join(directory, only));
  }
}
