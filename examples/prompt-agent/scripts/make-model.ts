/**
 * Makes the tiny model: a Llama that writes mails with tool calls fluently and with bad habits.
 *
 *     npm run make-model -w prompt-agent [-- --seed 0 --out directory]
 *
 * The same seed gives the same checkpoint on machines that round alike. It learns from training tickets only.
 */
import { makeStartingModel, pick, readScriptOptions, tinyShape, toolChat } from '@agent-lightning/example-kit';

import { trainingTickets } from '../tickets.ts';
import { createExample } from './corpus.ts';

const tickets = trainingTickets(0);

await makeStartingModel({
  ...readScriptOptions(`${import.meta.dirname}/../model`),
  shape: { ...tinyShape, hiddenSize: 64, intermediateSize: 160, layers: 2, headSize: 32, maxPositions: 192 },
  chat: toolChat,
  nextDialogue: (random) => createExample(pick(tickets, random), random),
  bareNumbers: true,
  vocabularySize: 480,
  cycles: [450],
  batchSize: 32,
  learningRate: 6e-3,
});
