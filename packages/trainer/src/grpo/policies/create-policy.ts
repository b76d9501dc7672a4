import type { PolicyRelease, TrainablePolicy, TrainingBackend } from '@agent-lightning/core';

const policiesOf = new WeakMap<TrainingBackend, Map<string, number>>();

/** A policy that starts from the base model, under a name that no earlier run on this backend took. */
export async function createPolicy(backend: TrainingBackend, name: string, seed: number): Promise<TrainablePolicy> {
  const counts = policiesOf.get(backend) ?? new Map<string, number>();
  const count = (counts.get(name) ?? 0) + 1;
  policiesOf.set(backend, counts.set(name, count));
  return await backend.createPolicy({ name: count === 1 ? name : `${name}-${count}`, seed });
}

/** The base model as it is; a policy that nobody trains where the backend cannot serve it otherwise. */
export async function baseRelease(backend: TrainingBackend, name: string, seed: number): Promise<PolicyRelease> {
  const release = await backend.baseRelease();
  return release === undefined
    ? await (await createPolicy(backend, name, seed)).publish(0)
    : { ...release, version: 0 };
}
