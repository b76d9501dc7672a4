/**
 * Makes the starting checkpoint: a tiny Llama that sorts messages, and writes and checks replies, with bad habits.
 *
 *     npm run make-model -w support-workflow [-- --seed 0 --out directory]
 *
 * The same seed gives the same checkpoint on machines that round alike. It learns from training cases only.
 */
import {
  makeStartingModel,
  pick,
  plainChat,
  readScriptOptions,
  tinyShape,
  type Random,
} from '@agent-lightning/example-kit';

import { trainingCases } from '../cases.ts';
import { createExample, type Example } from './corpus.ts';

const byTopic = Object.values(Object.groupBy(trainingCases(0), ({ kind }) => kind));

/** An example about a training case, every topic equally often. */
function nextExample(random: Random): Example {
  return createExample(pick(pick(byTopic, random), random), random);
}

await makeStartingModel({
  ...readScriptOptions(`${import.meta.dirname}/../model`),
  shape: { ...tinyShape, maxPositions: 192 },
  chat: plainChat,
  nextDialogue: nextExample,
});
