/** Trains the SQL agent on this machine: `npm run quickstart -- --help`. */
import { embedded } from '@agent-lightning/embedded';
import { serve } from '@agent-lightning/gateway';
import { withLightning } from '@agent-lightning/langgraph';
import { grpo, Trainer } from '@agent-lightning/trainer';

import { createSqlAgent } from './agent.ts';
import { readCommandLine, usage, UsageError, type QuickstartOptions } from './command-line.ts';
import { trainingQuestions, validationQuestions, type Question } from './questions.ts';
import { executionReward } from './reward.ts';
import { commandOf, summarize, toJsonLine } from './summary.ts';

async function quickstart(options: QuickstartOptions): Promise<void> {
  const runDirectory = options.resume ?? options.runDirectory;
  const backend = embedded({ model: `${import.meta.dirname}/model` });

  // The agent's own models: the starting model, as it is, behind an ordinary OpenAI-compatible URL.
  const starting = await serve({ release: (await backend.baseRelease())!, model: 'tiny-sql' });
  process.env['OPENAI_BASE_URL'] = starting.baseUrl;
  process.env['OPENAI_API_KEY'] = starting.apiKey;

  const agent = withLightning(createSqlAgent(), { agentMatch: /write/ });

  const trainer = new Trainer<Question>({
    rollout: async (task, { signal }) => {
      const { query } = await agent.invoke({ database: task.database, question: task.question }, { signal });
      return executionReward(task, query);
    },
    backend,
    algorithm: grpo({ groupSize: 8, tasksPerStep: 24, learningRate: 1e-3 }),
    runners: 48,
    seed: options.seed,
    control: options.control,
    taskKind: ({ kind }) => kind,
    ...(runDirectory === undefined ? {} : { runDirectory }),
    resumeHint: (directory) => `to go on: ${commandOf({ ...options, resume: directory })}`,
  });

  const result = await trainer.fit({
    train: trainingQuestions(options.seed),
    validation: validationQuestions(options.validationSeed, 320),
    validationEvery: 4,
    steps: options.steps,
    resume: options.resume !== undefined,
  });

  await starting.close();
  await backend.close();
  console.log(`\n${summarize(options, result)}`);
  if (options.json) console.log(toJsonLine(options, result));
}

try {
  const options = readCommandLine(process.argv.slice(2));
  if (options === 'help') console.log(usage);
  else await quickstart(options);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${usage}`);
  process.exitCode = 2;
}
