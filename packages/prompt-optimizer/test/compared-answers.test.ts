import { compare } from '@agent-lightning/tracing';
import { Trainer } from '@agent-lightning/trainer';
import { MemoryStore } from '@agent-lightning/store';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { gepa } from '../src/index.ts';
import {
  answerCapital,
  answerPrompt,
  capitalTasks,
  rateCapital,
  sentences,
  type CapitalTask,
} from './capitals/capital-agent.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** Scores the answers of a request by the rules of the task, on a scale that differs from request to request. */
async function scoreByRules(request: string): Promise<string> {
  const answers = [...request.matchAll(/<answer number="\d+">\n([\s\S]*?)\n<\/answer>/g)].map(([, answer]) => answer!);
  const shift = request.length % 3;
  return answers
    .map((answer, index) => {
      const { quality, feedback } = rateCapital(answer);
      return `<judgement number="${index + 1}">${feedback} <score>${quality * 6 + shift}</score></judgement>`;
    })
    .join('\n');
}

it('a search learns from answers that a model compares with those of today, and reads its reasons', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'compared-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const better = compare({ rubric: 'Short, in capital letters, with a full stop.', model: scoreByRules });
  const requests: string[] = [];
  const reflection = async (request: string): Promise<string> => {
    requests.push(request);
    const [, current] = /as it is now\n\n([\s\S]*?)\n\n# Example/.exec(request)!;
    const sentence = sentences.slice(0, 3).find((each) => !current!.includes(each)) ?? '';
    return `<new_prompt>${current} ${sentence}</new_prompt>`;
  };
  const trainer = new Trainer<CapitalTask, object>({
    algorithm: gepa({ prompts: [answerPrompt], reflection }),
    rollout: async (task) =>
      await better.against({
        task: task.country,
        answer: answerCapital(task),
        reference: `The capital is ${task.city}`,
      }),
    store: new MemoryStore(),
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    progress: 'none',
    handleSignals: false,
    runDirectory: join(folder, 'run'),
  });
  const { validationBefore, validationAfter } = await trainer.fit({
    train: capitalTasks.slice(0, 8),
    validation: capitalTasks.slice(8),
    steps: 6,
  });
  expect(validationBefore).toBe(0.5);
  expect(validationAfter).toBeCloseTo(0.5 + (0.75 * 0.6) / 2, 6);
  expect(requests[0]).toContain('too many words; not in capital letters; no full stop');
});
