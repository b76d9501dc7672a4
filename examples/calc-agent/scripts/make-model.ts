/**
 * Makes the starting checkpoint: a tiny Llama that calls a calculator fluently and with bad habits.
 *
 *     npm run make-model -w calc-agent [-- --seed 0 --out directory]
 *
 * The same seed gives the same checkpoint on machines that round alike. It learns from training problems only.
 */
import { makeStartingModel, pick, readScriptOptions, tinyShape, toolChat } from '@agent-lightning/example-kit';

import { trainingProblems } from '../problems.ts';
import { createExample } from './corpus.ts';

const problems = trainingProblems(0);

await makeStartingModel({
  ...readScriptOptions(`${import.meta.dirname}/../model`),
  shape: { ...tinyShape, maxPositions: 192 },
  chat: toolChat,
  nextDialogue: (random) => createExample(pick(problems, random), random),
  bareNumbers: true,
  vocabularySize: 672,
  cycles: [600, 400],
});
