/** Trains the research agent: `npm run example:rag-agent -- --help`. */
import { ConfigurationError } from '@agent-lightning/core';
import {
  createBackend,
  modelFlags,
  modelSettings,
  readLearningRate,
  runExample,
  type ExampleOptions,
} from '@agent-lightning/example-kit';

import { openMusique } from './musique.ts';
import { ownQuestions, type QuestionSet } from './question-set.ts';
import { startingModel, train } from './train.ts';

const program = {
  command: 'npm run example:rag-agent',
  purpose: 'Trains an agent that answers questions from a library, on this machine, and writes a report.',
  defaultSteps: 20,
  outcome: 'Mean reward on held-out questions',
  flags: modelFlags,
  settings: {
    ...modelSettings('1e-4'),
    musique: { value: 'DIR', meaning: 'trains on MuSiQue, unpacked in DIR, not on the own questions', default: '' },
    metric: { value: 'NAME', meaning: 'the reward of MuSiQue: exact (match), or f1 if not given', default: '' },
  },
};

await runExample(program, async (run) => {
  const { musique, metric, 'learning-rate': learningRate } = run.options.settings;
  const questions = await openQuestions(run.options, musique, metric);
  const backend = createBackend(run.options, startingModel);
  return await train(run, { questions, backend, learningRate: readLearningRate(learningRate) });
});

async function openQuestions(
  options: Pick<ExampleOptions, 'seed' | 'validationSeed'>,
  musique: string,
  metric: string,
): Promise<QuestionSet> {
  if (musique !== '')
    return await openMusique(musique, { validationSeed: options.validationSeed, metric: metric || 'f1' });
  if (metric === '') return ownQuestions(options);
  throw new ConfigurationError('--metric is for MuSiQue; give --musique too', { code: 'option-invalid' });
}
