import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { grpo, sft, Trainer, type SftOptions } from '../src/index.ts';
import { BigramBackend } from './bigram-backend.ts';
import { answerLetter, askLetter, letterTasks, scoreLetter, type LetterTask } from './letter-task.ts';
import { createFolder, recordingLogger, readReport } from './run-folder.ts';
import { createBackend, createSftTrainer, learns, readLines } from './sft-run.ts';

/** Few rollouts: they show what is done, not that it learns. */
const small = { samplesPerTask: 4, tasksPerStep: 4 } as const;

describe('sft on rollouts that are sampled now', () => {
  it('imitates the best rollout of each task, and says what it left out', async () => {
    const { trainer, backend, runDirectory } = await createSftTrainer(small);
    await trainer.fit({ train: letterTasks, steps: 2 });
    const lines = await readLines(runDirectory);
    for (const { rolloutsKept, rolloutsLeftOut, rollouts } of lines)
      expect(rolloutsKept + Object.values(rolloutsLeftOut).reduce((sum, count) => sum + count, 0)).toBe(rollouts);
    const [first] = lines;
    const kept = first!.rolloutsKept; // a task whose rollouts all earned the same has no best
    expect(kept).toBeGreaterThan(0);
    expect(first).toMatchObject({ optimizerSteps: 1, samples: kept, tokensTrained: kept, policyVersion: 1 });
    expect(first!.keptReward!).toBeGreaterThan(first!.reward.mean!);
    expect(first!.loss).toBeCloseTo(Math.log(27), 5); // an untrained policy: every letter is as likely
    expect(backend.passes.map(({ loss }) => loss.name)).toEqual(['cross_entropy', 'cross_entropy']);
    const [{ rows }] = backend.passes as [(typeof backend.passes)[number], ...typeof backend.passes];
    for (const { lossMask, advantages, temperature } of rows) {
      expect([...lossMask]).toEqual([0, 1]);
      expect([...advantages]).toEqual([0, Math.fround(1 / kept)]);
      expect(temperature).toBeUndefined();
    }
    const { charts } = (await readReport(join(runDirectory, 'report.html'))).reply('');
    const titles = charts.map(({ title }: { readonly title: string }) => title);
    expect(titles).toEqual(
      expect.arrayContaining(['loss of the imitated tokens (nats a token)', 'rollouts left out, by reason']),
    );
  });

  it('resumes to the same end after an interruption', async () => {
    const folder = await createFolder();
    const whole = await createSftTrainer(small, { runDirectory: join(folder, 'whole') });
    const once = await whole.trainer.fit({ train: letterTasks, validation: letterTasks.slice(0, 2), steps: 3 });
    const cut = await createSftTrainer(small, { runDirectory: join(folder, 'cut') });
    const controller = new AbortController();
    const first = new Trainer<LetterTask>({
      rollout: answerLetter,
      algorithm: sft({ ...learns, ...small }),
      backend: createBackend(),
      logger: recordingLogger(),
      progress: 'none',
      handleSignals: false,
      runDirectory: cut.runDirectory,
      signal: controller.signal,
      hooks: {
        onStep: ({ step }) => {
          if (step === 2) controller.abort();
        },
      },
    });
    const interrupted = await first.fit({ train: letterTasks, validation: letterTasks.slice(0, 2), steps: 3 });
    expect(interrupted).toMatchObject({ stopReason: 'interrupted', steps: 2 });
    const resumed = await cut.trainer.fit({
      train: letterTasks,
      validation: letterTasks.slice(0, 2),
      steps: 3,
      resume: true,
    });
    expect(resumed.validationAfter).toBe(once.validationAfter);
    expect([...cut.backend.policy!.logits]).toEqual([...whole.backend.policy!.logits]);
  });

  it('refuses what it cannot do, by name', async () => {
    const { trainer } = await createSftTrainer({}, { backend: new BigramBackend() });
    await expect(trainer.fit({ train: letterTasks })).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringMatching(/bigram does not train with the loss 'cross_entropy'/),
    });
    const auto = await createSftTrainer({}, { policies: { writer: { agentMatch: 'writer', learningRate: 'auto' } } });
    await expect(auto.trainer.fit({ train: letterTasks })).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringMatching(/policies\.writer\.learningRate/),
    });
    await expect(createSftTrainer({}, { maxDivergence: 2 })).rejects.toMatchObject({
      message: expect.stringMatching(/maxDivergence/),
    });
    await expect(createSftTrainer({}, { maxStaleness: 1 })).rejects.toMatchObject({
      message: expect.stringMatching(/maxStaleness/),
    });
    for (const wrong of [{ samplesPerTask: 1 }, { keep: 0 }, { minReward: Number.NaN }, { dedupe: 1 }, { kindOf: 'a' }])
      expect(() => sft(wrong as SftOptions)).toThrow(`sft.${Object.keys(wrong)[0]}`);
  });

  it('stops with the reason when nothing is fit to be imitated', async () => {
    const { trainer } = await createSftTrainer({ ...small, minReward: 2 });
    await expect(trainer.fit({ train: letterTasks, steps: 3 })).rejects.toMatchObject({
      code: 'no-signal',
      message: expect.stringMatching(/none of 16 rollouts is fit to be imitated \(16 below minReward\)/),
    });
  });

  it('says in a dry run what it would imitate', async () => {
    const { trainer } = await createSftTrainer(small);
    const report = await trainer.dev({ tasks: letterTasks.slice(0, 2), samples: 8 });
    expect(report).toMatchObject({ ok: true, samples: 2, callsInSamples: 2 });
    expect(report.findings.join()).toMatch(/left out: .*no better than their task’s mean/);
  });

  it('goes on from nothing that grpo has kept', async () => {
    const { trainer, runDirectory } = await createSftTrainer(small);
    await trainer.fit({ train: letterTasks, steps: 1 });
    const other = new Trainer<LetterTask>({
      rollout: async (task, context) => scoreLetter(task, await askLetter(task, context)),
      algorithm: grpo(),
      backend: createBackend(),
      logger: recordingLogger(),
      progress: 'none',
      runDirectory,
    });
    await expect(other.fit({ train: letterTasks, steps: 1, resume: true })).rejects.toMatchObject({
      code: 'resume-mismatch',
    });
  });
});
