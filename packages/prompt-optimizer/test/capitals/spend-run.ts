/** A search whose judge and reflection model are on a server, as a program, to be killed: `node spend-run.ts <runDirectory> begin|resume <baseUrl>`. */
import { judge } from '@agent-lightning/tracing';
import { Trainer } from '@agent-lightning/trainer';
import { gepa } from '../../src/index.ts';
import { answerCapital, answerPrompt, capitalTasks } from './capital-agent.ts';

const [runDirectory, mode, baseUrl] = process.argv.slice(2);
const server = { baseUrl: baseUrl!, model: 'hosted' };
const rate = judge({ model: server, rubric: 'Short.' });

const trainer = new Trainer({
  algorithm: gepa({ prompts: [answerPrompt], reflection: server, selectionTasks: 2, minibatch: 2 }),
  // Two judgements of each rollout, which no other rollout has asked for.
  rollout: async (task: (typeof capitalTasks)[number], { rollout, attempt }) => {
    const name = `${rollout.rolloutId} ${attempt.attemptId}`;
    await rate({ task: `${name} first`, answer: answerCapital(task) });
    return await rate({ task: `${name} second`, answer: answerCapital(task) });
  },
  limits: { usd: 1_000 },
  prices: { hosted: { input: 1, output: 1 } },
  runners: 2,
  seed: 3,
  progress: 'none',
  runDirectory: runDirectory!,
});
const { spend } = await trainer.fit({ train: capitalTasks.slice(0, 4), steps: 2, resume: mode === 'resume' });
process.stdout.write(
  `${JSON.stringify({ calls: spend.parts.judge.calls + spend.parts.optimizer.calls, tokens: spend.tokens, usd: spend.usd })}\n`,
);
