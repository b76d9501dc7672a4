/**
 * Makes the starting checkpoint: a tiny Llama that writes fluent SQL with bad habits.
 *
 *     npm run make-model -w sql-agent [-- --seed 0 --out directory]
 *
 * The same seed gives the same checkpoint on machines that round alike. It learns from training questions only.
 */
import {
  makeStartingModel,
  pick,
  plainChat,
  readScriptOptions,
  tinyShape,
  type Random,
} from '@agent-lightning/example-kit';

import { trainingQuestions } from '../questions.ts';
import { createExample, type Example } from './corpus.ts';

const byKind = Object.values(Object.groupBy(trainingQuestions(0), ({ kind }) => kind));

/** An example about a training question, every kind of question equally often. */
function nextExample(random: Random): Example {
  return createExample(pick(pick(byKind, random), random), random);
}

await makeStartingModel({
  ...readScriptOptions(`${import.meta.dirname}/../model`),
  shape: { ...tinyShape, maxPositions: 192 },
  chat: plainChat,
  nextDialogue: nextExample,
});
