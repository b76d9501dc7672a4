/** Trains the research agent on this machine: `npm run example:rag-agent -- --help`. */
import { withLightning } from '@agent-lightning/ai-sdk';
import { embedded } from '@agent-lightning/embedded';
import { runExample, serveStartingModel } from '@agent-lightning/example-kit';
import { grpo, Trainer } from '@agent-lightning/trainer';

import { createRagAgent } from './agent.ts';
import { documentsOf } from './library.ts';
import { library, trainingQuestions, validationQuestions, type Question } from './questions.ts';
import { answerReward } from './reward.ts';
import { SearchIndex } from './search.ts';

const program = {
  command: 'npm run example:rag-agent',
  purpose: 'Trains an agent that answers questions from a library, on this machine, and writes a report.',
  defaultSteps: 20,
  outcome: 'Mean reward on held-out questions',
};

await runExample(program, async ({ options, trainerOptions, fitOptions }) => {
  await using resources = new AsyncDisposableStack();
  const backend = embedded({ model: `${import.meta.dirname}/model`, wideKernels: true });
  resources.defer(() => backend.close());
  resources.use(await serveStartingModel(backend, 'tiny-rag')); // what the agent's own model is
  const index = new SearchIndex([...documentsOf(library.train), ...documentsOf(library.heldOut)]);
  resources.use(index);

  const agent = withLightning(createRagAgent(index));

  const trainer = new Trainer<Question>({
    rollout: async ({ question, gold }, { signal }) => {
      const { text } = await agent.generate({ prompt: question, abortSignal: signal });
      return answerReward(gold, text);
    },
    backend,
    algorithm: grpo({ groupSize: 8, tasksPerStep: 24, learningRate: 1e-4 }),
    runners: 32,
    taskKind: ({ kind }) => kind,
    ...trainerOptions,
  });

  return await trainer.fit({
    train: trainingQuestions(options.seed, 800),
    validation: validationQuestions(options.validationSeed, 160),
    validationEvery: 5,
    ...fitOptions,
  });
});
