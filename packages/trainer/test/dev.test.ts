import { Console } from 'node:console';
import { existsSync } from 'node:fs';
import { Writable } from 'node:stream';
import type { RolloutFunction } from '@agent-lightning/runner';
import { emitMessage } from '@agent-lightning/tracing';
import { describe, expect, it } from 'vitest';
import type { DevReport } from '../src/index.ts';
import { BigramBackend } from './bigram-backend.ts';
import { answerLetter, askLetter, letterTasks, scoreLetter, type LetterTask } from './letter-task.ts';
import { createTestTrainer } from './run-folder.ts';

const tasks = letterTasks.slice(0, 3);
const escape = '\u001B';

async function devWith(
  rollout: RolloutFunction<LetterTask>,
  samples = 4,
): Promise<{ readonly report: DevReport; readonly text: string }> {
  const { trainer, logger } = await createTestTrainer({ rollout });
  return { report: await trainer.dev({ tasks, samples }), text: logger.lines.join('\n') };
}

describe('Trainer.dev', () => {
  it('says that an agent is ready to train, and leaves nothing behind', async () => {
    const { trainer, backend, logger, runDirectory } = await createTestTrainer();
    const report = await trainer.dev({ tasks, samples: 8 });
    expect(report).toMatchObject({
      ok: true,
      rollouts: 24,
      succeeded: 24,
      failures: {},
      groups: 3,
      tokensSampled: 24,
      untrainableCalls: {},
      findings: [],
    });
    expect(Object.values(report.trainableCalls)).toEqual([24]);
    expect(report.rewards).toHaveLength(24);
    expect(report.groupsWithVariance).toBeGreaterThan(0);
    expect(report.callsInSamples).toBe(report.samples);
    expect(report.calls).toEqual([{ fate: 'trained', agent: '', calls: 24 }]);
    expect(logger.lines.join('\n')).toMatch(/24 of 24 rollouts succeeded(.|\n)*ready to train/);
    expect(existsSync(runDirectory)).toBe(false);
    expect(backend.passes).toEqual([]);
    await trainer.fit({ train: letterTasks, steps: 1 });
  });

  it('holds calls against the longest training sample that the backend takes, and the loss against what it can train', async () => {
    const { trainer } = await createTestTrainer({ backend: new BigramBackend({ maxSampleTokens: 1 }) });
    expect(await trainer.dev({ tasks })).toMatchObject({
      ok: false,
      trainableCalls: {},
      untrainableCalls: { 'the call has 2 tokens, and the backend trains samples of at most 1': 12 },
      findings: [expect.stringContaining('none can be trained on')],
    });
    const { trainer: other } = await createTestTrainer({ backend: new BigramBackend({ losses: ['cispo'] }) });
    await expect(other.dev({ tasks })).rejects.toMatchObject({ code: 'option-unsupported' });
  });

  it('sees calls that continue each other become one training sample', async () => {
    const { report } = await devWith(async (task, context) => {
      const answer = await askLetter(task, context);
      await askLetter({ ...task, letter: task.letter + answer }, context);
      return context.rollout.metadata['sample'] as number;
    });
    expect(report).toMatchObject({ ok: true, callsInSamples: 24, samples: 12 });
  });

  it.each([
    [
      'agents that fail',
      () => {
        throw new Error('no such table');
      },
      /all 12 rollouts failed/,
      { 'agent-failed': 12 },
    ],
    ['agents without calls', () => 1, /no model call that trains/, {}],
    ['rewards that are equal', async (task, context) => (await askLetter(task, context), 1), /every reward is 1/, {}],
    [
      'no rewards',
      async (task, context) => void (await askLetter(task, context)),
      /none of 12 rollouts has a reward/,
      {},
    ],
  ] satisfies [string, RolloutFunction<LetterTask>, RegExp, object][])(
    'names %s',
    async (_, rollout, finding, failures) => {
      const { report, text } = await devWith(rollout);
      expect(report).toMatchObject({ ok: false, failures });
      expect(report.findings[0]).toMatch(finding);
      expect(text).toMatch(/not ready to train/);
    },
  );

  it('names what goes wrong for some rollouts only', async () => {
    const { report } = await devWith(async (task, context) => {
      const sample = context.rollout.metadata['sample'];
      if (sample === 0) throw new Error('flaky');
      if (sample === 1) return 1;
      if (sample === 2) return void (await askLetter(task, context));
      return await answerLetter(task, context);
    }, 8);
    expect(report.ok).toBe(true);
    expect(report.findings).toEqual([
      expect.stringContaining('6 rollouts made no model call'),
      expect.stringContaining('3 rollouts have no reward'),
      expect.stringMatching(
        /^3 of 24 rollouts \(13 %\) failed with agent-failed, such as dev\.s0\.g0\.k0: flaky\. Who causes this is not known.*failures: \{ PaymentError: 'world' \}/,
      ),
    ]);
  });

  it('prints one whole rollout, with what was said, called, earned and logged, and the verdict once at the end', async () => {
    const quiet = new Console(new Writable({ write: (_chunk, _encoding, done) => done() }));
    const { text } = await devWith(async (task, context) => {
      const answer = await askLetter(task, context);
      quiet.log('compared %s', task.answer);
      emitMessage(`saw ${escape}[2J${task.letter}`);
      return { near: scoreLetter(task, answer) / 10, right: answer === task.answer, feedback: 'not the next\nletter' };
    });
    expect(text).toMatch(/^one rollout as it went: dev\.s0\.g\d\.k\d\n {2}task: \{"letter":"[abc]"/);
    expect(text).toMatch(
      /\n {2}user: [abc]\n {2}assistant: .\n {4}training: 1 tokens of policy "policy" can be trained on/,
    );
    expect(text).toMatch(/\n {2}message: saw [abc]\n {2}console: compared [bcd]\n/);
    expect(text).toMatch(/\n {2}reward: 0[.\d]* \(near 0[.\d]*, right [01]\): not the next\n {6}letter\n/);
    expect(text).not.toContain(escape);
    expect(text.match(/ready to train/g)).toHaveLength(1);
    expect(text).toMatch(/\nready to train: go on with fit, or agent-lightning train$/);
  });

  it('tells one cause once, with the rollout that failed, and never says to run what is running', async () => {
    const { report, text } = await devWith(async (task, context) => {
      await askLetter(task, context);
      throw new RangeError('no such table');
    });
    expect(report.findings).toEqual([expect.stringMatching(/^all 12 rollouts failed, 12 of them with RangeError/)]);
    expect(text).toMatch(
      /\n {2}RangeError: no such table\n {2}failed: RangeError: no such table\n {2}reward: 0, which is/,
    );
    expect(text.match(/no such table/g)).toHaveLength(3); // twice in the rollout, once as the finding
    expect(text).not.toContain('trainer.dev');
    expect(text).toMatch(/\nnot ready to train: correct what the lines above say, and run dev again$/);
  });

  it('refuses no tasks, and a single sample', async () => {
    const { trainer } = await createTestTrainer();
    await expect(trainer.dev({ tasks: [] })).rejects.toMatchObject({ code: 'option-invalid' });
    await expect(trainer.dev({ tasks, samples: 1 })).rejects.toMatchObject({ code: 'option-invalid' });
    await expect(trainer.dev({ tasks, allowOutside: 'a|b' })).rejects.toThrow(/allowOutside/);
  });
});
