/** Trains the SQL agent on this machine: `npm run quickstart -- --help`. */
import { LightningError } from '@agent-lightning/core';
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
  await using resources = new AsyncDisposableStack();
  const backend = embedded({ model: `${import.meta.dirname}/model` });
  resources.defer(() => backend.close());

  // The agent's own models: the starting model, as it is, behind an ordinary OpenAI-compatible URL.
  const starting = await serve({ release: await backend.baseRelease(), model: 'tiny-sql' });
  resources.defer(() => starting.close());
  process.env['OPENAI_BASE_URL'] = starting.baseUrl;
  process.env['OPENAI_API_KEY'] = starting.apiKey;

  const agent = withLightning(createSqlAgent(), { agentMatch: /write/ });
  const runDirectory = options.resume ?? options.runDirectory;

  const trainer = new Trainer<Question>({
    rollout: async (task, { signal }) => {
      const { query } = await agent.invoke({ database: task.database, question: task.question }, { signal });
      return executionReward(task, query);
    },
    backend,
    algorithm: grpo({ groupSize: 8, tasksPerStep: 24, learningRate: 1.5e-4 }),
    runners: 32,
    seed: options.seed,
    control: options.control,
    taskKind: ({ kind }) => kind,
    ...(runDirectory === undefined ? {} : { runDirectory }),
    resumeHint: (directory) => `to go on: ${commandOf({ ...options, resume: directory })}`,
  });

  const result = await trainer.fit({
    train: trainingQuestions(options.seed, 1000),
    validation: validationQuestions(options.validationSeed, 320),
    validationEvery: 5,
    steps: options.steps,
    resume: options.resume !== undefined,
  });

  console.log(`\n${summarize(options, result)}`);
  if (options.json) console.log(toJsonLine(options, result));
  if (result.stopReason === 'interrupted') process.exitCode = 130;
}

try {
  const options = readCommandLine(process.argv.slice(2));
  if (options === 'help') console.log(usage);
  else await quickstart(options);
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`${error.message}\n\n${usage}`);
    process.exitCode = 2;
  } else if (LightningError.isInstance(error)) {
    console.error(`${error.message} (${error.code})`);
    process.exitCode = 1;
  } else {
    throw error;
  }
}
