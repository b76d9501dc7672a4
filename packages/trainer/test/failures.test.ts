import { seededRandom } from '@agent-lightning/core';
import type { RolloutFunction } from '@agent-lightning/runner';
import { describe, expect, it } from 'vitest';
import type { BigramBackend } from './bigram-backend.ts';
import { askLetter, letterTasks, type LetterTask } from './letter-task.ts';
import { createFolder, createTestTrainer, readMetrics } from './run-folder.ts';

const tasks = letterTasks;

class PaymentError extends Error {}
class GraphRecursionError extends Error {
  override readonly name: string = 'GraphRecursionError';
}

/** An answer from the second half of the alphabet earns 1, and ends nine times of ten in an error; any other one earns 0.5. */
function riskyAgent(fail: () => Error): RolloutFunction<LetterTask> {
  return async (task, context) => {
    const answer = await askLetter(task, context);
    if (answer < 'n' || answer === '_') return 0.5;
    if (seededRandom(1, context.rollout.rolloutId)() < 0.9) throw fail();
    return 1;
  };
}

/** Returns the share of risky answers in what the trained policy answers to the first tasks. */
function riskOf({ policy }: BigramBackend, taskCount: number): number {
  const shares = tasks.slice(0, taskCount).map(({ letter }) => {
    const row = policy!.logits.subarray((letter.charCodeAt(0) - 97) * 27, (letter.charCodeAt(0) - 96) * 27);
    const weights = [...row].map(Math.exp);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return weights.slice(13, 26).reduce((sum, weight) => sum + weight, 0) / total;
  });
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

describe('failures are lessons', () => {
  it.each([
    ['a plain error', () => new Error('the answer could not be parsed')],
    ['a recursion limit', () => new GraphRecursionError('Recursion limit of 25 reached')],
  ])('an agent learns to avoid answers that end in %s', async (_, fail) => {
    const { trainer, backend, runDirectory } = await createTestTrainer(
      { rollout: riskyAgent(fail) },
      { tasksPerStep: 2, groupSize: 16, taskSchedule: 'even' },
    );
    const result = await trainer.fit({ train: tasks.slice(0, 2), validation: tasks.slice(0, 2), steps: 10 });
    expect(riskOf(backend, 2)).toBeLessThan(0.15); // 13 of 27 answers at first
    expect(result.validationAfter).toBeGreaterThanOrEqual(0.5);
    const metrics = await readMetrics(runDirectory);
    expect(metrics.at(-1)!.failed).toBeLessThan(metrics[0]!.failed);
    expect(metrics[0]).toMatchObject({ withoutReward: 0, failureReward: 0, reward: { count: 32 } });
  });

  it('a group of a success and a failure is a signal', async () => {
    const { trainer, backend, runDirectory } = await createTestTrainer(
      {
        rollout: async (task, context) => {
          if ((await askLetter(task, context)) >= 'n') throw new Error('broken');
          return 1;
        },
      },
      { tasksPerStep: 8, groupSize: 2 },
    );
    await trainer.fit({ train: tasks, steps: 4 });
    expect(riskOf(backend, 8)).toBeLessThan(0.45);
    const [first] = await readMetrics(runDirectory);
    expect(first!.groupsUsed).toBeGreaterThan(0);
    expect(first!.failureKinds).toMatchObject({ unknown: first!.failed, policy: 0, world: 0 });
  });
});

describe('failures of the world', () => {
  it('are tried again, then left out, in training and validation alike', async () => {
    const attempts = new Map<string, number>();
    const { trainer, runDirectory, logger } = await createTestTrainer(
      {
        retry: { backoffMs: 0 },
        failures: { PaymentError: 'world' },
        rollout: async (task, context) => {
          const { rolloutId, metadata, mode } = context.rollout;
          const tries = (attempts.get(rolloutId) ?? 0) + 1;
          attempts.set(rolloutId, tries);
          await askLetter(task, context);
          // One sample comes through when it is tried again, another never does.
          if (metadata['sample'] === 0 && tries === 1) throw new PaymentError('declined');
          if (metadata['sample'] === 1 || (mode === 'val' && task.kind === 'odd')) throw new PaymentError('declined');
          return context.rollout.metadata['sample'] === 2 ? 0.25 : 1;
        },
      },
      { tasksPerStep: 2, groupSize: 4 },
    );
    const result = await trainer.fit({ train: tasks, validation: tasks, steps: 1 });
    const [line] = await readMetrics(runDirectory);
    expect(line).toMatchObject({
      rollouts: 10,
      rolloutsAdded: { lost: 2 },
      failed: 2,
      failures: { PaymentError: 2 },
      failureKinds: { policy: 0, world: 2, unknown: 0 },
      withoutReward: 2,
      retries: 6,
      reward: { count: 8 },
      validation: { reward: 1, rollouts: 8, failed: 4, leftOut: 4 },
    });
    expect(result.validationBefore).toBe(1);
    expect(logger.lines.join('\n')).toContain('they are tried again where their code says so, and then left out');
  });

  it('are not learned from, and a failure of the policy is not tried again', async () => {
    const attempts = new Map<string, number>();
    const { trainer, runDirectory } = await createTestTrainer(
      {
        rollout: async (task, context) => {
          const { rolloutId, metadata } = context.rollout;
          attempts.set(rolloutId, (attempts.get(rolloutId) ?? 0) + 1);
          await askLetter(task, context);
          if (metadata['sample'] === 1) throw new GraphRecursionError('limit');
          return -2;
        },
      },
      { tasksPerStep: 2, groupSize: 2, extendFailed: 0 },
    );
    await trainer.fit({ train: tasks, steps: 1 });
    expect([...attempts.values()]).toEqual([1, 1, 1, 1]);
    // The lowest reward seen is below 0, and a failure must not be better than it.
    expect((await readMetrics(runDirectory))[0]).toMatchObject({
      failureReward: -2,
      turnLimited: 2,
      groupsZeroVariance: 2,
      reward: { mean: -2, count: 4 },
    });
  });

  it('that lose some rollouts of every step do not keep a solved run from its end', async () => {
    const { trainer, runDirectory } = await createTestTrainer(
      {
        noSignalPatience: 2,
        retry: { maxAttempts: 1 },
        rollout: async (task, context) => {
          const { sample, step } = context.rollout.metadata;
          await askLetter(task, context);
          if (sample === 3) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
          return step === 1 ? Number(sample) % 2 : 1;
        },
      },
      { tasksPerStep: 2, groupSize: 4 },
    );
    expect(await trainer.fit({ train: tasks, steps: 6 })).toMatchObject({ stopReason: 'converged', steps: 3 });
    expect((await readMetrics(runDirectory)).map(({ noSignal }) => noSignal)).toEqual([
      undefined,
      'zero-variance',
      'zero-variance',
    ]);
  });

  it('that lose every rollout stop the run as an outage, not as converged', async () => {
    const { trainer } = await createTestTrainer(
      {
        noSignalPatience: 2,
        retry: { maxAttempts: 1 },
        rollout: async () => {
          throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
        },
      },
      { tasksPerStep: 2, groupSize: 2 },
    );
    await expect(trainer.fit({ train: tasks, steps: 4 })).rejects.toMatchObject({
      code: 'backend-failed',
      message: expect.stringMatching(/failures that are not the policy's: ECONNREFUSED.*then resume the run/),
    });
  });
});

describe('a failure of unknown cause that suddenly comes up in every group', () => {
  it('stops the run before it is learned from; the resumed run has the choice', async () => {
    let isDown = false;
    const rollout: RolloutFunction<LetterTask> = async (task, context) => {
      const answer = await askLetter(task, context);
      if (isDown && Number(context.rollout.metadata['sample']) % 2 === 0) throw new PaymentError('declined');
      return answer < 'n' ? 1 : 0.5;
    };
    const runDirectory = `${await createFolder()}/run`;
    const trainerWith = async (options: object) =>
      await createTestTrainer(
        { rollout, runDirectory, hooks: { onStep: ({ step }) => void (isDown = step >= 4) }, ...options },
        { tasksPerStep: 2, groupSize: 4 },
      );
    const { trainer, backend } = await trainerWith({});
    await expect(trainer.fit({ train: tasks, steps: 6 })).rejects.toMatchObject({
      code: 'failures-rose',
      message: expect.stringMatching(/from step 5: 4 of 8 rollouts.*\{ "PaymentError": 'world' \}.*'policy' \}/),
    });
    expect(await readMetrics(runDirectory)).toHaveLength(4);
    expect(backend.published.at(-1)).toBe(4);

    const again = await trainerWith({});
    await expect(again.trainer.fit({ train: tasks, steps: 6, resume: true })).rejects.toMatchObject({
      code: 'failures-rose',
    });
    isDown = false; // what was down is up again: the lost rollouts run once more
    const mended = await trainerWith({ failures: { PaymentError: 'world' }, hooks: {} });
    expect(await mended.trainer.fit({ train: tasks, steps: 6, resume: true })).toMatchObject({ steps: 6 });
    expect((await readMetrics(runDirectory)).at(4)).toMatchObject({ step: 5, failed: 0 });
  });
});

describe('the failure reward', () => {
  const rollout: RolloutFunction<LetterTask> = async (task, context) => {
    await askLetter(task, context);
    if (context.rollout.metadata['sample'] === 0) throw new PaymentError('declined');
    return context.rollout.metadata['sample'] === 1 ? 0.5 : 1;
  };

  it('is refused by dev and warned about by fit when it is above what a success earned', async () => {
    const { trainer, logger } = await createTestTrainer({ rollout, failureReward: 0.75 });
    const complaint = /failureReward is 0\.75, and a rollout that succeeded earned 0\.5/;
    const report = await trainer.dev({ tasks: tasks.slice(0, 2), samples: 4 });
    expect(report).toMatchObject({ ok: false, findings: [expect.stringMatching(complaint), expect.anything()] });
    expect(report.rewards.slice(0, 4)).toEqual([0.75, 0.5, 1, 1]);
    await trainer.fit({ train: tasks, steps: 2 });
    expect(logger.lines.filter((line) => line.startsWith('warning: ') && complaint.test(line))).toHaveLength(1);
  });

  it('is the same after a resume: the lowest return is kept with the run', async () => {
    let lowest = -3;
    const options = {
      rollout: (async (task, context) => {
        await askLetter(task, context);
        if (context.rollout.metadata['sample'] === 0) throw new PaymentError('declined');
        return context.rollout.metadata['sample'] === 1 ? lowest : 1;
      }) satisfies RolloutFunction<LetterTask>,
      runDirectory: `${await createFolder()}/run`,
    };
    const first = await createTestTrainer(options, { tasksPerStep: 2, groupSize: 4 });
    await first.trainer.fit({ train: tasks, steps: 1 });
    lowest = 0.5;
    const second = await createTestTrainer(options, { tasksPerStep: 2, groupSize: 4 });
    await second.trainer.fit({ train: tasks, steps: 2, resume: true });
    expect((await readMetrics(options.runDirectory)).map(({ failureReward }) => failureReward)).toEqual([-3, -3]);
  });

  it.each([
    [{ failureReward: Number.NaN }, /failureReward must be a number from -1e9 to 1e9/],
    [{ failureReward: -1e200 }, /failureReward must be a number from -1e9 to 1e9/],
    [
      { failures: { GraphRecursionError: 'world' } },
      /failures\.GraphRecursionError must be left out: .*the policy causes/,
    ],
    [{ failures: { PaymentError: 'mine' as 'world' } }, /failures\.PaymentError must be 'policy' or 'world'/],
  ] as const)('refuses %j', async (options, message) => {
    await expect(createTestTrainer(options)).rejects.toThrow(message);
  });
});
