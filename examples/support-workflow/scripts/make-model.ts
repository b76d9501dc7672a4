/**
 * Makes the starting checkpoint: a tiny Llama that sorts messages, and writes and checks replies, with bad habits.
 *
 *     npm run make-model -w support-workflow [-- --seed 0 --out directory]
 *
 * The same seed gives the same checkpoint on machines that round alike. It learns from training cases only.
 */
import { makeStartingModel, pickerByKind, plainChat, readScriptOptions, tinyShape } from '@agent-lightning/example-kit';

import { trainingCases } from '../cases.ts';
import { createExample } from './corpus.ts';

const nextCase = pickerByKind(trainingCases(0));

await makeStartingModel({
  ...readScriptOptions(`${import.meta.dirname}/../model`),
  shape: { ...tinyShape, maxPositions: 192 },
  chat: plainChat,
  nextDialogue: (random) => createExample(nextCase(random), random),
});
