import { readFile } from 'node:fs/promises';
import { commonAilments } from '@agent-lightning/run';
import { describe, expect, it } from 'vitest';
import { grpo } from '../src/index.ts';
import { answerLetter, letterTasks } from './letter-task.ts';
import { createTestTrainer, readMetrics, type RecordingLogger, readReport } from './run-folder.ts';

const codes = [...commonAilments, ...(grpo().ailments ?? [])].map(({ code }) => code);

/** The lines of the log that name an ailment. */
function readTold({ lines }: RecordingLogger): readonly string[] {
  return lines.filter((line) => codes.some((code) => line.includes(`${code}: `)));
}

describe('a run that something ails', () => {
  it('is told before its first step, in its metrics and at the top of its report', async () => {
    const { trainer, logger, runDirectory } = await createTestTrainer();
    const { reportPath } = await trainer.fit({ train: letterTasks, validation: letterTasks.slice(0, 2), steps: 1 });
    const told = 'leaked-tasks: 2 of 2 validation tasks are training tasks too';
    expect(readTold(logger)).toEqual([expect.stringContaining(`warning: ${told}`)]);
    expect((await readMetrics(runDirectory)).map(({ ailments }) => ailments)).toEqual([['leaked-tasks']]);
    const { findings } = (await readReport(reportPath)).reply('');
    expect(findings).toMatchObject([
      { code: 'leaked-tasks', step: 0, message: expect.stringContaining('2 of 2 validation tasks') },
    ]);
  });

  it('is told once, whether or not it was interrupted', async () => {
    const failsMore = async (...given: Parameters<typeof answerLetter>): Promise<number> => {
      const { step, sample } = given[1].rollout.metadata as { readonly step: number; readonly sample: number };
      await answerLetter(...given);
      if (sample < step) throw new RangeError('more of the group fails in each step');
      return sample % 2;
    };
    const lost = { failures: { RangeError: 'world' }, retry: { maxAttempts: 1 } } as const;
    const first = await createTestTrainer({ rollout: failsMore, ...lost }, { tasksPerStep: 8 });
    await first.trainer.fit({ train: letterTasks, steps: 6 });
    const isLost = (line: string): boolean => line.includes('survivors-only');
    expect(readTold(first.logger).filter(isLost)).toEqual([
      expect.stringMatching(/step 6: survivors-only: \d+ % of the rollouts/),
    ]);
    const { runDirectory } = first;
    const second = await createTestTrainer({ rollout: failsMore, runDirectory, ...lost }, { tasksPerStep: 8 });
    const { reportPath } = await second.trainer.fit({ train: letterTasks, steps: 7, resume: true });
    expect(readTold(second.logger).filter(isLost)).toEqual([]);
    expect((await readMetrics(runDirectory)).map(({ ailments = [] }) => ailments.some(isLost))).toEqual([
      ...Array<boolean>(5).fill(false),
      true,
      true,
    ]);
    const { findings } = (await readReport(reportPath)).reply('');
    expect(findings).toContainEqual(expect.objectContaining({ code: 'survivors-only', step: 6 }));
  });

  it('is silent when nothing does', async () => {
    const { trainer, logger } = await createTestTrainer({}, { learningRate: 40, estimator: 'dr_grpo', groupSize: 16 });
    const { reportPath } = await trainer.fit({ train: letterTasks, steps: 7 });
    expect(readTold(logger)).toEqual([]);
    expect((await readReport(reportPath)).reply('').findings).toEqual([]);
  });
});

describe('docs/why-no-learning.md', () => {
  it('has a section for each ailment, and names it in its table', async () => {
    const page = await readFile(new URL('../../../docs/why-no-learning.md', import.meta.url), 'utf8');
    const sections = [...page.matchAll(/^### (.*)$/gm)].map(([, title]) => title!);
    expect(sections.toSorted()).toEqual(codes.toSorted());
    for (const code of codes) expect(page).toContain(`[\`${code}\`](#${code})`);
  });
});
