import type { TrainablePolicy, TrainingBackend } from '@agent-lightning/core';
import type { SamplablePolicy } from './session.ts';

const policiesOf = new WeakMap<TrainingBackend, number>();

/** A policy that starts from the base model, under a name that no earlier run on this backend took. */
export async function createPolicy(backend: TrainingBackend, seed: number): Promise<TrainablePolicy> {
  const count = (policiesOf.get(backend) ?? 0) + 1;
  policiesOf.set(backend, count);
  return await backend.createPolicy({ name: count === 1 ? 'policy' : `policy-${count}`, seed });
}

/** The base model as it is; a policy that nobody trains where the backend cannot serve it otherwise. */
export async function basePolicy(backend: TrainingBackend, seed: number): Promise<SamplablePolicy> {
  const release = await backend.baseRelease();
  return release === undefined
    ? await createPolicy(backend, seed)
    : { publish: async (version) => ({ ...release, version }) };
}
