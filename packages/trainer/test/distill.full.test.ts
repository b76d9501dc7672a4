import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryStore } from '@agent-lightning/store';
import { describe, expect, it } from 'vitest';
import { distill, Trainer, type TrainerOptions } from '../src/index.ts';
import { BigramBackend } from './bigram-backend.ts';
import { answerLetter, letterTasks, type LetterTask } from './letter-task.ts';
import { recordingLogger } from './run-folder.ts';
import { TaughtBackend } from './taught-backend.ts';

async function measureGain(control: TrainerOptions['control'], learningRate: number | 'auto'): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'distill-'));
  try {
    const fixed = learningRate === 'auto' ? {} : { maxGradientNorm: 0 };
    const trainer = new Trainer<LetterTask>({
      rollout: answerLetter,
      // Plain gradient descent: what is small for Adam is nothing here.
      backend: new BigramBackend({ learningRateScale: learningRate === 'auto' ? 1e6 : 1 }),
      algorithm: distill({ teacher: new TaughtBackend(), samplesPerTask: 16, tasksPerStep: 8, learningRate, ...fixed }),
      control: control ?? 'none',
      logger: recordingLogger(),
      store: new MemoryStore(),
      progress: 'none',
      handleSignals: false,
      runDirectory: join(folder, 'run'),
    });
    const fit = { train: letterTasks, validation: letterTasks, steps: 6, verdict: false } as const;
    const { validationBefore, validationAfter } = await trainer.fit(fit);
    return validationAfter! - validationBefore!;
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe.each([30, 'auto'] as const)('distill with the learning rate %s', (learningRate) => {
  it('raises the held-out reward by the marks of a teacher alone', async () => {
    expect(await measureGain('none', learningRate)).toBeGreaterThan(0.3);
  });

  it('learns nothing from shuffled marks', async () => {
    expect(await measureGain('shuffled', learningRate)).toBeLessThan(0.15);
  });
});
