/** Makes the starting model, in seconds: it has learned the bad habit of repeating the day that it is asked about. */
import type { TrainingSample } from '@agent-lightning/core';
import { createCheckpoint, embedded, loadCheckpoint, trainBytePairTokenizer } from '@agent-lightning/embedded';

import { days, questions, rightAnswer, type Question } from './questions.ts';

const endToken = '<|end|>';
const steps = 200;

/** The shares of the starting model's answers; the days that are left share the rest. */
const habits = { repeats: 0.7, right: 0.25 };

export async function makeStartingModel(directory: string): Promise<void> {
  await createCheckpoint({
    directory,
    config: { hiddenSize: 32, intermediateSize: 64, layers: 2, heads: 2, maxPositions: 32 },
    tokenizer: trainBytePairTokenizer({
      texts: questions.flatMap(({ word, day }) => Array.from({ length: 20 }, () => `${word} ${day}`)).concat(days),
      vocabularySize: 400,
      specialTokens: [endToken, '<|user|>', '<|assistant|>'],
    }),
    chatTemplate: `{% for message in messages %}<|{{ message.role }}|>{{ message.content }}${endToken}{% endfor %}<|assistant|>`,
    endTokens: [endToken],
    seed: 0,
  });
  const backend = embedded({ model: directory, threads: 1 });
  const policy = await backend.createPolicy({ name: 'starting-model', seed: 0 });
  const samples = await makeSamples(directory);
  for (let step = 0; step < steps; step++) {
    await policy.forwardBackward(samples, { name: 'cross_entropy' });
    await policy.optimStep({ learningRate: 5e-3, maxGradientNorm: 1 });
  }
  await policy.exportModel(directory);
  await backend.close();
}

/** Makes samples of every question with every day as its answer, weighed as the habits say; all answer tokens together weigh about 1. */
async function makeSamples(directory: string): Promise<readonly TrainingSample[]> {
  const { tokenizer, chatTemplate, eosTokenIds } = await loadCheckpoint(directory);
  return questions.flatMap((question) =>
    days.map((answer) => {
      const prompt = chatTemplate!.render([{ role: 'user', content: `${question.word} ${question.day}` }]);
      const head = tokenizer.encode(prompt, false);
      const tokens = Int32Array.from([...head, ...tokenizer.encode(answer, false), ...eosTokenIds]);
      const weight = shareOf(question, answer) / (questions.length * (tokens.length - head.length));
      const lossMask = Uint8Array.from(tokens, (_, t) => (t < head.length ? 0 : 1));
      const advantages = Float32Array.from(lossMask, (mask) => mask * weight);
      return { tokens, lossMask, logprobs: new Float32Array(tokens.length), advantages };
    }),
  );
}

function shareOf(question: Question, answer: string): number {
  if (answer === question.day) return habits.repeats;
  if (answer === rightAnswer(question)) return habits.right;
  return (1 - habits.repeats - habits.right) / (days.length - 2);
}
