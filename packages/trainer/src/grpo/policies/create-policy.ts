import type { AlgorithmHost, PolicySnapshot, TrainablePolicy, TrainingBackend } from '@agent-lightning/core';

const policiesOf = new WeakMap<TrainingBackend, Map<string, number>>();

/** Creates a policy that starts from the base model, under a name that no earlier run on this backend took. */
export async function createPolicy(backend: TrainingBackend, name: string, seed: number): Promise<TrainablePolicy> {
  const counts = policiesOf.get(backend) ?? new Map<string, number>();
  const count = (counts.get(name) ?? 0) + 1;
  policiesOf.set(backend, counts.set(name, count));
  return await backend.createPolicy({ name: count === 1 ? name : `${name}-${count}`, seed });
}

/** Publishes the base model, untrained, for every policy of a run. */
export async function publishBase({ backend, gateway, policies, seed }: AlgorithmHost): Promise<void> {
  for (const { name } of policies) await gateway!.publish(name, await toBaseSnapshot(backend!, name, seed));
}

/** Returns a snapshot of the base model; where the backend cannot serve it, that of a policy which is never trained. */
async function toBaseSnapshot(backend: TrainingBackend, name: string, seed: number): Promise<PolicySnapshot> {
  const snapshot = await backend.baseSnapshot();
  return snapshot === undefined
    ? await (await createPolicy(backend, name, seed)).publish(0)
    : { ...snapshot, version: 0 };
}
