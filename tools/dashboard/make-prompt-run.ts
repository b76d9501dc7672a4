/** Makes a real run of GEPA whose prompts, tasks and feedback are hostile. */
import { join } from 'node:path';
import { gepa } from '@agent-lightning/prompt-optimizer';
import { promptTemplate } from '@agent-lightning/tracing';
import { Trainer } from '@agent-lightning/trainer';
import { attacks } from './attacks.ts';

const answer = promptTemplate('answer', `Answer the question. ${attacks[0]}`);
const words = ['alpha', 'beta', 'gamma'] as const;
const tasks = Array.from({ length: 12 }, (_, index) => ({
  question: `What begins with ${words[index % 3]}? ${attacks[index % attacks.length]}`,
  word: words[index % 3]!,
}));

/** Searches prompts for an agent without a model: it is right on the tasks whose word is in its prompt, and short prompts are neat. */
export async function makePromptRun(folder: string): Promise<string> {
  const runDirectory = join(folder, 'prompts');
  const silent = (): void => undefined;
  let asked = 0;
  const trainer = new Trainer<(typeof tasks)[number]>({
    algorithm: gepa({
      prompts: [answer],
      // Each answer knows one word more; every second one is longer.
      reflection: async () => {
        asked += 1;
        const known = words.slice(0, 1 + (asked % words.length)).join(' ');
        return `<new_prompt>Answer the question about ${known}. ${attacks[asked % attacks.length]}${asked % 2 === 0 ? ' Think.'.repeat(asked) : ''}</new_prompt>`;
      },
      frontier: 'hybrid',
      acceptance: 'improvement-or-equal',
    }),
    rollout: (task) => {
      const prompt = answer.render();
      const right = prompt.includes(task.word) ? 1 : 0.2;
      return { right, short: 40 / Math.max(40, prompt.length), feedback: `${attacks[1]} the word is ${task.word}` };
    },
    runDirectory,
    progress: 'none',
    handleSignals: false,
    logger: { info: silent, warn: silent, error: silent },
  });
  await trainer.fit({ train: tasks, steps: 6 });
  return runDirectory;
}
