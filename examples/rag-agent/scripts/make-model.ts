/**
 * Makes the starting checkpoint: a tiny Llama that searches, reads and answers, with bad habits.
 *
 *     npm run make-model -w rag-agent [-- --seed 0 --out directory]
 *
 * The same seed gives the same checkpoint on machines that round alike. It learns from libraries of its own, which have no
 * held-out name and say other things than the library of the example; it learns to read, not what is written there.
 */
import { seededRandom } from '@agent-lightning/core';
import {
  makeStartingModel,
  pick,
  readScriptOptions,
  toolChat,
  type Dialogue,
  type Random,
} from '@agent-lightning/example-kit';

import { createLibrary, documentsOf } from '../library.ts';
import { kinds, questionsOf } from '../questions.ts';
import { SearchIndex } from '../search.ts';
import { agentDialogue, copyingDialogue } from './dialogues.ts';

const options = readScriptOptions(`${import.meta.dirname}/../model`);
const random = seededRandom(options.seed + 1000);
const libraries = Array.from({ length: 100 }, () => {
  const library = createLibrary('train', { worksOfType: 20, people: 45, towns: 24 }, random);
  const questions = questionsOf(library);
  const byKind = kinds.map((kind) => questions.filter((question) => question.kind === kind));
  return { index: new SearchIndex(documentsOf(library)), byKind };
});

/** The first dialogues are only copying, which is then quick to learn; the later ones are mostly the agent's work. */
function nextDialogue(random: Random, progress: number): Dialogue {
  if (progress < 0.22 || random() < 0.2) return copyingDialogue(random);
  const { index, byKind } = pick(libraries, random);
  return agentDialogue(pick(pick(byKind, random), random), index, random);
}

await makeStartingModel({
  ...options,
  shape: {
    hiddenSize: 96,
    intermediateSize: 192,
    layers: 4,
    heads: 4,
    keyValueHeads: 2,
    headSize: 32,
    maxPositions: 400,
  },
  chat: toolChat,
  nextDialogue,
  vocabularySize: 768,
  cycles: [1100],
  batchSize: 32,
  learningRate: 2.5e-3,
});
