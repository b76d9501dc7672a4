import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { embedded } from '@agent-lightning/embedded';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grpo, Trainer, type GrpoOptions } from '../src/index.ts';
import { createTinyCheckpoint } from '../../embedded/test/tiny-checkpoint.ts';
import { askLetter, letterTasks, type LetterTask } from './letter-task.ts';
import { createTestTrainer, readMetrics, recordingLogger } from './run-folder.ts';

describe('the options of a critic', () => {
  it('have defaults with the estimator gae, which credits by itself', () => {
    const { config } = grpo({ estimator: 'gae', groupSize: 1 });
    expect(config.critic).toEqual({ discount: 1, lambda: 1, learningRate: 0.05, trunkWeight: 0.1 });
    expect(config.credit).toBe('perStep');
    expect(grpo().config.critic).toBeUndefined();
  });

  it.each([
    { critic: {} },
    { estimator: 'rloo', critic: { lambda: 1 } },
    { estimator: 'gae', credit: 'identical' },
    { estimator: 'gae', critic: { lambda: 1.1 } },
    { estimator: 'gae', critic: { discount: -1 } },
    { estimator: 'gae', critic: { learningRate: 0 } },
    { estimator: 'gae', critic: { trunkWeight: Number.NaN } },
    { estimator: 'gae', critic: { gamma: 1 } },
  ])('are checked: %j', (options) => {
    expect(() => grpo(options as GrpoOptions)).toThrow(expect.objectContaining({ code: 'option-invalid' }));
  });
});

describe('a run with a critic', () => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'trainer-critic-'));
    await createTinyCheckpoint(join(root, 'model'));
  });
  afterAll(() => rm(root, { recursive: true }));

  it('is refused by name on a backend that has none', async () => {
    const { trainer } = await createTestTrainer({}, { estimator: 'gae' });
    await expect(trainer.fit({ train: letterTasks, steps: 1 })).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringMatching(/the backend bigram has no critic, which the estimator 'gae' needs/),
    });
  });

  it('trains without groups, says what the critic explains, and goes on with it when it is resumed', async () => {
    const backend = embedded({ model: join(root, 'model'), threads: 1 });
    const runDirectory = join(root, 'run');
    const train = async (steps: number, resume: boolean): Promise<void> => {
      const trainer = new Trainer<LetterTask>({
        // Rewards about 3, which a new critic does not know and a trained one does.
        rollout: async (task, context) =>
          3 + ((await askLetter(task, context)).length % 2) / 2 + task.letter.charCodeAt(0) / 1_000,
        backend,
        algorithm: grpo({
          estimator: 'gae',
          groupSize: 1,
          tasksPerStep: 4,
          maxTokens: 1,
          learningRate: 1e-3,
          critic: { learningRate: 0.5, trunkWeight: 0.1 },
        }),
        runDirectory,
        logger: recordingLogger(),
        progress: 'none',
        handleSignals: false,
      });
      await trainer.fit({ train: letterTasks.slice(0, 4), steps, resume });
    };
    try {
      await train(6, false);
      await train(8, true);
    } finally {
      await backend.close();
    }
    const lines = await readMetrics(runDirectory);
    expect(lines).toHaveLength(8);
    for (const { groupsUsed, optimizerSteps, valueLoss, explainedVariance } of lines) {
      expect([groupsUsed, optimizerSteps]).toEqual([4, 1]);
      expect(valueLoss).toBeGreaterThan(0);
      expect(explainedVariance).toBeLessThan(1);
    }
    // A new critic says 0, of which half the square is 4.5; one that was resumed knows better.
    expect(lines[0]!.valueLoss).toBeGreaterThan(4);
    expect(lines[6]!.valueLoss).toBeLessThan(1.5);
  });
});
