/** Trains a policy that is one number, through the whole of `Trainer.fit`: for measurements that need thousands of rollouts. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom, type Algorithm, type JsonValue, type StepRollouts } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { Trainer, type FitOptions, type TrainingResult } from '@agent-lightning/trainer';

/** A policy that is one number, and how it learns. */
export interface SimulatedPolicy<Task extends JsonValue> {
  readonly start: number;
  /** Returns the policy after a step. */
  learn(value: number, step: StepRollouts): number;
  /** Returns the reward of a rollout, or throws. */
  act(value: number, task: Task, random: () => number): number;
  /** Rollouts of a step, each of the next task. */
  readonly rolloutsPerStep: number;
}

/** Trains the policy in a run directory that is removed afterwards. The seed and the ids of the rollouts decide everything. */
export async function trainSimulated<Task extends JsonValue>(
  policy: SimulatedPolicy<Task>,
  seed: number,
  fit: FitOptions<Task>,
): Promise<TrainingResult> {
  const folder = await mkdtemp(join(tmpdir(), 'simulated-'));
  const current = { value: policy.start };
  const quiet = (): undefined => undefined;
  try {
    const trainer = new Trainer<Task>({
      rollout: (task, { rollout }) => {
        const name = rollout.rolloutId.replace(/^[^.]+/, ''); // a shared store puts a random run id before it
        return policy.act(current.value, task, seededRandom(seed, name));
      },
      algorithm: toAlgorithm(policy, current),
      store: new MemoryStore(),
      seed,
      runners: 64,
      runDirectory: join(folder, 'run'),
      progress: 'none',
      logger: { info: quiet, warn: quiet, error: quiet },
      handleSignals: false,
    });
    return await trainer.fit(fit);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function toAlgorithm<Task extends JsonValue>(policy: SimulatedPolicy<Task>, current: { value: number }): Algorithm {
  const { rolloutsPerStep } = policy;
  return {
    name: 'simulated',
    config: {},
    tasksPerStep: rolloutsPerStep,
    uses: { backend: false, samplingAhead: false },
    begin: async ({ tasks }) => ({
      plan: (step) =>
        Array.from({ length: rolloutsPerStep }, (_, index) => ({
          key: `s${step}.k${index}`,
          input: tasks[index % tasks.length]!,
          mode: 'train' as const,
          metadata: { step },
        })),
      publish: async () => undefined,
      learn: async (step) => {
        current.value = policy.learn(current.value, step);
        return { metrics: {} };
      },
      save: (directory) => writeFile(join(directory, 'policy.json'), JSON.stringify(current.value)),
      load: async (directory) => {
        current.value = JSON.parse(await readFile(join(directory, 'policy.json'), 'utf8')) as number;
      },
      exportResult: (directory) => writeFile(join(directory, 'policy.json'), JSON.stringify(current.value)),
    }),
    rehearse: () => Promise.reject(new TypeError('a simulated policy has no dry run')),
  };
}
