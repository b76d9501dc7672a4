/**
 * Makes the starting checkpoint: a tiny Llama that writes fluent SQL with bad habits.
 *
 *     npm run make-model -w sql-agent [-- --seed 0 --out directory]
 *
 * The same seed gives the same checkpoint on machines that round alike. It learns from training questions only.
 */
import { makeStartingModel, pickerByKind, plainChat, readScriptOptions, tinyShape } from '@agent-lightning/example-kit';

import { trainingQuestions } from '../questions.ts';
import { createExample } from './corpus.ts';

const nextQuestion = pickerByKind(trainingQuestions(0));

await makeStartingModel({
  ...readScriptOptions(`${import.meta.dirname}/../model`),
  shape: { ...tinyShape, maxPositions: 192 },
  chat: plainChat,
  nextDialogue: (random) => createExample(nextQuestion(random), random),
});
