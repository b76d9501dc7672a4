/**
 * Writes what the embedded engine makes of a model, for check_transformers.py to hold against transformers.
 *
 *   node --conditions=@agent-lightning/source tools/reference/write-transformers-check.ts OUT [MODEL]
 *
 * OUT/model is an export of MODEL, or of a random model after a few training steps; OUT/run.json holds ids, rendered chats,
 * greedy answers and log-probabilities.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ChatMessage, SamplingEngine, TrainingSample } from '@agent-lightning/core';
import { createCheckpoint, embedded, loadCheckpoint, trainBytePairTokenizer } from '@agent-lightning/embedded';

const corpus = [
  'SELECT name, price FROM products WHERE price > 10 ORDER BY price DESC;',
  'How many students are older than 20?',
  'SELECT count(*) FROM students WHERE age > 20;',
  'Which book has the most pages?',
  "naïve café, 日本語, 🙂🙂, it's 3.14\n\tdone",
];
const chats: readonly (readonly ChatMessage[])[] = Array.from({ length: 32 }, (_, index) => [
  { role: 'system', content: 'Answer with one SQL query.' },
  { role: 'user', content: `${corpus[index % corpus.length]} (${index})` },
]);

async function writeCheck(out: string, model: string): Promise<void> {
  const backend = embedded({ model });
  try {
    const { tokenizer, chatTemplate, config } = await loadCheckpoint(model);
    const policy = await backend.createPolicy({ name: 'policy', seed: 1 });
    for (let step = 0; step < 5; step += 1) {
      await policy.forwardBackward(
        corpus.map((text) => toRow(tokenizer.encode(text, false))),
        { name: 'cross_entropy' },
      );
      await policy.optimStep({ learningRate: 0.003 });
    }
    await policy.exportModel(join(out, 'model'));
    const snapshot = await policy.publish(1);
    if (snapshot.kind !== 'engine') throw new TypeError(`expected an engine snapshot, got ${snapshot.kind}`);
    const answers = [];
    for (const messages of chats) {
      answers.push({
        messages,
        rendered: chatTemplate?.render(messages),
        ...(await greedy(snapshot.engine, messages, config.maxPositions)),
      });
    }
    const texts = [...corpus, '', ' ', '<|im_end|>', 'a<|im_start|>b'].map((text) => {
      const ids = tokenizer.encode(text, false);
      return { text, ids: [...ids], decoded: tokenizer.decode(ids) };
    });
    await writeFile(join(out, 'run.json'), `${JSON.stringify({ texts, answers })}\n`);
  } finally {
    await backend.close();
  }
}

async function greedy(
  engine: SamplingEngine,
  messages: readonly ChatMessage[],
  contextLength: number,
): Promise<object> {
  const answer = { prompt: [] as number[], tokens: [] as number[], logprobs: [] as number[], text: '' };
  for await (const event of engine.generate({
    input: { messages },
    temperature: 0,
    maxTokens: Math.min(40, contextLength),
  })) {
    if (event.type === 'prompt') answer.prompt.push(...event.tokens);
    if (event.type !== 'piece') continue;
    answer.tokens.push(...event.tokens);
    answer.logprobs.push(...event.logprobs);
    answer.text += event.text;
  }
  return answer;
}

function toRow(tokens: Int32Array): TrainingSample {
  const lossMask = Uint8Array.from(tokens, (_, t) => (t === 0 ? 0 : 1));
  return { tokens, lossMask, logprobs: new Float32Array(tokens.length), advantages: Float32Array.from(lossMask) };
}

async function createRandomModel(directory: string): Promise<void> {
  await createCheckpoint({
    directory,
    config: {
      hiddenSize: 128,
      intermediateSize: 384,
      layers: 4,
      heads: 2,
      keyValueHeads: 1,
      headSize: 64,
      maxPositions: 256,
      vocabSize: 512,
    },
    tokenizer: trainBytePairTokenizer({
      texts: corpus,
      vocabularySize: 400,
      specialTokens: ['<|im_start|>', '<|im_end|>'],
    }),
    chatTemplate:
      "{%- for message in messages %}\n{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n{{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n",
    endTokens: ['<|im_end|>'],
    seed: 1,
  });
}

const [out, given] = process.argv.slice(2);
if (out === undefined) {
  console.error('usage: write-transformers-check.ts OUT [MODEL]');
  process.exit(2);
}
const scratch = await mkdtemp(join(tmpdir(), 'transformers-check-'));
try {
  if (given === undefined) await createRandomModel(join(scratch, 'start'));
  await writeCheck(out, given ?? join(scratch, 'start'));
} finally {
  await rm(scratch, { recursive: true });
}
