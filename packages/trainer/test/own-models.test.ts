import { describe, expect, it } from 'vitest';
import type { RolloutFunction } from '@agent-lightning/runner';
import { requireRollout } from '@agent-lightning/tracing';
import { grpo, Trainer, type DevReport } from '../src/index.ts';
import { countOwnCalls } from '../src/dev-own-models.ts';
import { BigramBackend } from './bigram-backend.ts';
import { answerLetter, letterTasks, type LetterTask } from './letter-task.ts';
import { createTestTrainer, recordingLogger } from './run-folder.ts';

const tasks = letterTasks.slice(0, 2);

/** Writes down a call of the agent's own model, as an adapter does. */
function recordCall(model: string, failed = false): void {
  const { recorder } = requireRollout('recordCall');
  recorder
    .start({
      kind: 'model_call',
      name: 'chat',
      attributes: { 'gen_ai.request.model': model, 'agentlightning.agent.names': ['write'] },
    })
    .end(failed ? { status: { code: 'error', message: 'too busy' } } : {});
}

async function devOnOwnModels(
  rollout: RolloutFunction<LetterTask>,
): Promise<{ readonly report: DevReport; readonly text: string }> {
  const logger = recordingLogger();
  const trainer = new Trainer<LetterTask>({
    rollout,
    algorithm: grpo(),
    logger,
    progress: 'none',
    handleSignals: false,
  });
  return { report: await trainer.dev({ tasks }), text: logger.lines.join('\n') };
}

describe('a trainer without a backend', () => {
  it('runs agents on their own models in a dry run, and says which they asked', async () => {
    const { report, text } = await devOnOwnModels((_, { rollout }) => {
      recordCall('gpt-4o-mini');
      return rollout.metadata['sample'] as number;
    });
    expect(report).toMatchObject({
      ok: true,
      rollouts: 8,
      groupsWithVariance: 2,
      findings: [],
      ownCalls: [{ agent: 'write', model: 'gpt-4o-mini', calls: 8, failed: 0 }],
    });
    expect(text).toContain('write asked its own model gpt-4o-mini 8 times');
    expect(text).toMatch(/\nready as far as .* give the trainer a backend, and run dev again/);
  });

  it.each<[string, RolloutFunction<LetterTask>, RegExp, boolean]>([
    ['a reward that never differs', () => (recordCall('m'), 0), /^every reward is 0/, false],
    [
      'rewards that differ between tasks only',
      ({ letter }) => (recordCall('m'), letter === 'a' ? 1 : 0),
      /^rewards differ between tasks/,
      true,
    ],
    ['no reward', () => recordCall('m'), /^8 of 8 rollouts .* have no reward/, false],
    [
      'no model call',
      (_, { rollout }) => rollout.metadata['sample'] as number,
      /^no agent that an adapter follows/,
      false,
    ],
    ['an agent that needs a policy', answerLetter, /this run has no policy/, false],
  ])('names %s', async (_, rollout, finding, ok) => {
    const { report } = await devOnOwnModels(rollout);
    expect(report.ok).toBe(ok);
    expect(
      report.findings.some((each) => finding.test(each)),
      report.findings.join('\n'),
    ).toBe(true);
  });

  it('counts calls in vain', () => {
    const span = { kind: 'model_call', attributes: {}, status: { code: 'error' } };
    expect(countOwnCalls([span, { ...span, kind: 'tool' }] as never)).toEqual([
      { agent: '', model: '', calls: 1, failed: 1 },
    ]);
  });

  it('evaluates agents on their own models, and refuses to train or to evaluate the policy', async () => {
    const rollout: RolloutFunction<LetterTask> = ({ letter }) => (letter === 'a' ? 1 : 0);
    const trainer = new Trainer<LetterTask>({ rollout, algorithm: grpo(), progress: 'none', handleSignals: false });
    expect(await trainer.evaluate({ tasks, samples: 2, checkpoint: 'own' })).toMatchObject({
      rewards: [
        [1, 1],
        [0, 0],
      ],
    });
    const refused = { code: 'option-invalid', message: expect.stringContaining('Trainer: backend') };
    await expect(trainer.evaluate({ tasks })).rejects.toMatchObject(refused);
    await expect(trainer.fit({ train: tasks })).rejects.toMatchObject(refused);
    await expect(trainer.dev({ tasks, models: 'policy' })).rejects.toMatchObject(refused);
  });
});

it('asks the own models of agents by option where there is a backend, and compares them with the policy', async () => {
  const { trainer } = await createTestTrainer({
    // Without a policy context.llm throws: this agent has a model of its own that is always right.
    rollout: async (task, context) => await answerLetter(task, context).catch(() => 1),
    backend: new BigramBackend(),
  });
  expect(await trainer.dev({ tasks, models: 'own' })).toMatchObject({ ok: false, tokensSampled: 0 });
  expect((await trainer.dev({ tasks, samples: 8 })).tokensSampled).toBe(16);
  const verdict = await trainer.compare({ tasks, samples: 8, baseline: 'base', candidate: 'own' });
  expect(verdict.candidate.reward).toBe(1);
  expect(verdict.gain).toBeGreaterThan(0);
});
