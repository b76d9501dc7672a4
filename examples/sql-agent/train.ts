/** The one training of the SQL agent, whatever trains it. */
import { seededRandom, type TrainingBackend } from '@agent-lightning/core';
import { serveStartingModel, shuffled, type ExampleRun, type UpdateOptions } from '@agent-lightning/example-kit';
import { withLightning } from '@agent-lightning/langgraph';
import { grpo, Trainer, type DevReport, type TrainingResult } from '@agent-lightning/trainer';

import { createSqlAgent } from './agent.ts';
import { describeAnswer } from './prompts.ts';
import { ownQuestions, type QuestionSet, type SqlQuestion } from './question-set.ts';
import { openSpider } from './spider/spider.ts';

/** The model that the agent's policy starts from where none is given, and that its other nodes keep. */
export const startingModel = `${import.meta.dirname}/model`;

/** The flags that both programs of this example take, besides the options of every example. */
export const sqlFlags = {
  'dry-run': 'runs the agent on four held-out questions, shows what it did, and trains nothing',
};

/** The settings that both of them take. */
export const sqlSettings = {
  model: {
    value: 'DIR',
    meaning: "the model to start from, in Hugging Face's layout; the own one if not given",
    default: '',
  },
  spider: { value: 'DIR', meaning: 'trains on Spider, unpacked in DIR, not on the own questions', default: '' },
};

type SqlRun = ExampleRun<keyof typeof sqlFlags, keyof typeof sqlSettings>;

/** Held-out questions of Spider that a validation asks, as in the example of the original. */
const spiderValidation = 500;

/** Trains the nodes that write SQL; the backend is closed at the end. */
export async function trainSqlAgent(
  { options, trainerOptions, fitOptions }: SqlRun,
  { backend, learningRate, tasksPerStep }: UpdateOptions & { readonly backend: TrainingBackend },
): Promise<TrainingResult | DevReport> {
  await using resources = new AsyncDisposableStack();
  resources.defer(() => backend.close());
  const questions = resources.use(await openQuestions(options));
  resources.use(await serveStartingModel(backend, 'tiny-sql')); // what the agent's own models are

  const agent = withLightning(createSqlAgent({ databases: questions.databases, ...questions.agentOptions }), {
    agentMatch: /write/,
  });

  const trainer = new Trainer<SqlQuestion>({
    rollout: async (task, { signal }) => {
      const { query, answer } = await agent.invoke({ database: task.database, question: task.question }, { signal });
      const reward = await questions.reward(task, query);
      if (options.flags['dry-run']) console.log(describeRollout(task.question, query, answer, reward));
      return reward;
    },
    backend,
    algorithm: grpo({ groupSize: 8, tasksPerStep, learningRate }),
    runners: 32,
    taskKind: ({ kind }) => kind,
    ...trainerOptions,
  });

  if (options.flags['dry-run']) {
    const tasks = questions.validation.slice(0, 4);
    await showGoldQueries(questions, tasks);
    return await trainer.dev({ tasks });
  }
  const { train, validation } = questions;
  return await trainer.fit({ train, validation, validationEvery: 5, ...fitOptions });
}

async function openQuestions(options: SqlRun['options']): Promise<QuestionSet> {
  if (options.settings.spider === '') return ownQuestions(options);
  const spider = await openSpider(options.settings.spider);
  const validation = shuffled(spider.validation, seededRandom(options.validationSeed)).slice(0, spiderValidation);
  return { ...spider, validation };
}

/** Shows that the databases are there and the reward can be earned, whatever the model can do. */
async function showGoldQueries({ databases, reward }: QuestionSet, tasks: readonly SqlQuestion[]): Promise<void> {
  console.log('the queries of the data set:');
  for (const task of tasks) {
    const answer = describeAnswer(await databases.run(task.database, task.gold));
    console.log(describeRollout(task.question, task.gold, answer, await reward(task, task.gold)));
  }
  console.log('\nthe queries of the agent:');
}

function describeRollout(question: string, query: string, answer: string, reward: number): string {
  return `\n${question}\n  ${query}\n  ${answer} · reward ${reward}`;
}
