/**
 * Makes the starting checkpoint: a tiny Llama that writes fluent SQL with bad habits.
 *
 *     node --conditions=@agent-lightning/source examples/sql-agent/scripts/make-model.ts [--seed 0] [--out directory]
 *
 * The same seed gives the same checkpoint on machines that round alike. It learns from training questions only.
 */
import { parseArgs } from 'node:util';

import type { TrainingRow } from '@agent-lightning/core';
import {
  createCheckpoint,
  embedded,
  loadCheckpoint,
  trainBytePairTokenizer,
  type Checkpoint,
} from '@agent-lightning/embedded';

import { trainingQuestions } from '../questions.ts';
import { createRandom, type Random } from '../random.ts';
import { createExample, type Example } from './corpus.ts';

const shape = {
  hiddenSize: 96,
  intermediateSize: 256,
  layers: 3,
  heads: 2,
  keyValueHeads: 1,
  headSize: 64,
  maxPositions: 192,
};
const vocabularySize = 640;
const endToken = '<|end|>';
const specialTokens = [endToken, '<|system|>', '<|user|>', '<|assistant|>'];
const chatTemplate =
  "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";
const steps = 600;
const batchSize = 64;
const learningRate = 4e-3;
const warmupSteps = 20;

const { values: options } = parseArgs({
  options: {
    seed: { type: 'string', default: '0' },
    out: { type: 'string', default: `${import.meta.dirname}/../model` },
  },
});
const seed = Number(options.seed);
if (!Number.isSafeInteger(seed)) throw new RangeError(`--seed is ${options.seed}; an integer was expected.`);
await makeModel(options.out, seed);

async function makeModel(directory: string, seed: number): Promise<void> {
  const random = createRandom(seed);
  const nextExample = exampleSource(random);
  const texts = Array.from({ length: 10_000 }, nextExample).flatMap(({ prompt, response }) => [
    ...prompt.map(({ content }) => content),
    response,
  ]);
  const tokenizer = trainBytePairTokenizer({ texts, vocabularySize, specialTokens });
  await createCheckpoint({ directory, config: shape, tokenizer, chatTemplate, endTokens: [endToken], seed });

  const checkpoint = await loadCheckpoint(directory);
  const backend = embedded({ model: directory });
  const policy = await backend.createPolicy({ name: 'starting-model', seed });
  for (let step = 1; step <= steps; step++) {
    const rows = weighted(Array.from({ length: batchSize }, () => toRow(checkpoint, nextExample())));
    const { loss } = await policy.forwardBackward(rows, { name: 'cross_entropy' });
    await policy.optimStep({ learningRate: scheduled(step), maxGradientNorm: 1 });
    if (step % 25 === 0) console.log(`step ${step} of ${steps}: ${loss.toFixed(3)} nats per token`);
  }
  await policy.exportModel(directory);
  await backend.close();
  console.log(`wrote ${directory}`);
}

/** Endless examples about training questions, every kind of question equally often. */
function exampleSource(random: Random): () => Example {
  const byKind = Object.values(Object.groupBy(trainingQuestions(0), ({ kind }) => kind));
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  return () => createExample(pick(pick(byKind)), random);
}

/** The rendered dialogue, the answer and its end; only the last two are learned. */
function toRow({ tokenizer, chatTemplate, eosTokenIds }: Checkpoint, { prompt, response }: Example): TrainingRow {
  if (chatTemplate === undefined) throw new TypeError('The checkpoint has no chat template.');
  const head = tokenizer.encode(chatTemplate.render(prompt), false);
  const tokens = Int32Array.from([...head, ...tokenizer.encode(response, false), ...eosTokenIds]);
  const lossMask = Uint8Array.from(tokens, (_, t) => (t < head.length ? 0 : 1));
  return { tokens, lossMask, logprobs: new Float32Array(tokens.length), advantages: Float32Array.from(lossMask) };
}

/** Every learned token of the batch weighs the same, all of them together 1: the loss is then a mean. */
function weighted(rows: readonly TrainingRow[]): TrainingRow[] {
  const count = rows.reduce((sum, { lossMask }) => sum + lossMask.reduce((a, b) => a + b, 0), 0);
  return rows.map((row) => ({ ...row, advantages: row.advantages.map((weight) => weight / count) }));
}

/** Linear up, then along a cosine down to a tenth. */
function scheduled(step: number): number {
  if (step < warmupSteps) return (learningRate * step) / warmupSteps;
  const progress = (step - warmupSteps) / (steps - warmupSteps);
  return learningRate * (0.1 + 0.45 * (1 + Math.cos(Math.PI * progress)));
}
