import { readReport } from './run-folder.ts';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { letterTasks } from './letter-task.ts';
import { createSftTrainer, readLines } from './sft-run.ts';

describe('sft on rollouts that are sampled now', () => {
  it('raises the held-out reward, and says what it imitated and what it left out', async () => {
    const { trainer, backend, runDirectory } = await createSftTrainer();
    const result = await trainer.fit({ train: letterTasks, validation: letterTasks, steps: 8, verdict: false });
    expect(result.stopReason).toBe('completed');
    expect(result.validationAfter! - result.validationBefore!).toBeGreaterThan(0.3);
    const lines = await readLines(runDirectory);
    expect(lines[0]!.keptReward!).toBeGreaterThan(lines[0]!.reward.mean!);
    for (const line of lines) {
      const leftOut = Object.values(line.rolloutsLeftOut).reduce((sum, count) => sum + count, 0);
      expect(line.rolloutsKept + leftOut).toBe(line.rollouts);
    }
    expect(lines[0]).toMatchObject({ rolloutsKept: 8, optimizerSteps: 1, samples: 8, tokensTrained: 8 });
    expect(lines[0]!.loss).toBeCloseTo(Math.log(27), 5); // an untrained policy: every letter is as likely
    expect(lines.at(-1)!.loss!).toBeLessThan(lines[0]!.loss!);
    expect(new Set(backend.passes.map(({ loss }) => loss.name))).toEqual(new Set(['cross_entropy']));
    const { charts } = (await readReport(join(runDirectory, 'report.html'))).reply('');
    const titles = charts.map(({ title }: { readonly title: string }) => title);
    expect(titles).toEqual(
      expect.arrayContaining(['loss of the imitated tokens (nats a token)', 'rollouts left out, by reason']),
    );
  });

  it('learns nothing from shuffled rewards', async () => {
    const { trainer, runDirectory } = await createSftTrainer({}, { control: 'shuffled' });
    const { validationBefore, validationAfter } = await trainer.fit({
      train: letterTasks,
      validation: letterTasks,
      steps: 8,
      verdict: false,
    });
    expect(validationAfter! - validationBefore!).toBeLessThan(0.15);
    expect((await readLines(runDirectory))[0]!.rolloutsKept).toBe(8); // the selection still selects, by chance
  });

  it('gives a verdict, and can be evaluated at its checkpoint', async () => {
    const heldOut = Array.from({ length: 16 }, (_, index) => letterTasks[index % letterTasks.length]!);
    const { trainer, runDirectory } = await createSftTrainer();
    const { verdict } = await trainer.fit({ train: letterTasks, validation: heldOut, steps: 6, validationEvery: 2 });
    expect(verdict?.answer).toBe('better');
    const evaluation = await trainer.evaluate({ tasks: letterTasks, checkpoint: runDirectory, samples: 2 });
    expect(evaluation.rewards.flat().every((reward) => typeof reward === 'number' && reward > 0.3)).toBe(true);
  });
});
