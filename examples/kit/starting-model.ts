/** Makes the model that an example starts from: a tiny Llama, from nothing, on dialogues that the example supplies. */
import { parseArgs } from 'node:util';
import { seededRandom } from '@agent-lightning/core';

import { createCheckpoint, embedded, loadCheckpoint, type ModelShape } from '@agent-lightning/embedded';
import { ChatTemplate, trainBytePairTokenizer } from '@agent-lightning/text';

import type { ChatFormat } from './chat-formats.ts';
import { toTrainingSamples, type Dialogue } from './dialogue-samples.ts';
import type { Random } from './random.ts';

/** 0.39 M parameters with 640 tokens: a checkpoint of 1.6 MB. */
export const tinyShape: Omit<ModelShape, 'maxPositions'> = {
  hiddenSize: 96,
  intermediateSize: 256,
  layers: 3,
  heads: 2,
  keyValueHeads: 1,
  headSize: 64,
};
const warmupSteps = 20;
/** Dialogues whose words the tokenizer is made of. */
const tokenizerDialogues = 10_000;

export interface StartingModelOptions {
  /** The directory of the checkpoint; one that is there is replaced. */
  readonly directory: string;
  readonly seed: number;
  readonly shape: ModelShape;
  readonly chat: ChatFormat;
  /**
   * The next dialogue to learn from; all that is random in it comes from `random`. `progress` is the share of the steps that are
   * done, for what should be learned first; it is 1 for the dialogues that the tokenizer is made of.
   */
  readonly nextDialogue: (random: Random, progress: number) => Dialogue;
  /** Numbers are tokens without the space before them, so that a number is the same token wherever it stands. @default false */
  readonly bareNumbers?: boolean;
  /** @default 640 */
  readonly vocabularySize?: number;
  /** Steps of each cycle of the learning rate; a cycle goes on from the last one's weights with a fresh optimizer. @default [600] */
  readonly cycles?: readonly number[];
  /** Dialogues of a step. @default 64 */
  readonly batchSize?: number;
  /** The highest. @default 4e-3 */
  readonly learningRate?: number;
}

/** Reads the options of a script that makes a starting model: `--seed 0 --out directory`. @throws RangeError */
export function readScriptOptions(defaultDirectory: string): Pick<StartingModelOptions, 'seed' | 'directory'> {
  const { values } = parseArgs({
    options: { seed: { type: 'string', default: '0' }, out: { type: 'string', default: defaultDirectory } },
  });
  const seed = Number(values.seed);
  if (!Number.isSafeInteger(seed)) throw new RangeError(`--seed is ${values.seed}; an integer was expected.`);
  return { seed, directory: values.out };
}

/** The same options give the same checkpoint on machines that round alike. */
export async function makeStartingModel({
  directory,
  seed,
  shape,
  chat,
  nextDialogue,
  bareNumbers = false,
  vocabularySize = 640,
  cycles = [600],
  batchSize = 64,
  learningRate = 4e-3,
}: StartingModelOptions): Promise<void> {
  const random = seededRandom(seed);
  const nextDialogues = (count: number, progress: number): Dialogue[] =>
    Array.from({ length: count }, () => nextDialogue(random, progress));
  const texts = nextDialogues(tokenizerDialogues, 1).flatMap((dialogue) => textsOf(dialogue, chat));
  const tokenizer = trainBytePairTokenizer({
    texts: bareNumbers ? texts.flatMap((text) => text.split(/(\d+)/)) : texts, // a pair that is never seen is never merged
    vocabularySize,
    specialTokens: chat.specialTokens,
  });
  const { template: chatTemplate, endToken } = chat;
  await createCheckpoint({ directory, config: shape, tokenizer, chatTemplate, endTokens: [endToken], seed });

  const checkpoint = await loadCheckpoint(directory);
  const allSteps = cycles.reduce((sum, steps) => sum + steps, 0);
  let stepsDone = 0;
  for (const steps of cycles) {
    const backend = embedded({ model: directory, wideKernels: true });
    const policy = await backend.createPolicy({ name: 'starting-model', seed });
    for (let step = 1; step <= steps; step++) {
      const samples = toTrainingSamples(checkpoint, nextDialogues(batchSize, stepsDone++ / allSteps));
      const { loss } = await policy.forwardBackward(samples, { name: 'cross_entropy' });
      await policy.optimStep({ learningRate: learningRate * schedule(step, steps), maxGradientNorm: 1 });
      if (step % 25 === 0) console.log(`step ${step} of ${steps}: ${loss.toFixed(3)} nats per token`);
    }
    await policy.exportModel(directory);
    await backend.close();
  }
  console.log(`wrote ${directory}`);
}

/** Returns the texts that the vocabulary is learned from: the messages, with the calls among them where they are learned. */
function textsOf({ prompt, tools, response, learnsEveryTurn }: Dialogue, { template }: ChatFormat): string[] {
  const contents = prompt.map(({ content }) => (typeof content === 'string' ? content : ''));
  if (learnsEveryTurn !== true) return [...contents, response];
  const whole = new ChatTemplate({ template, name: "the kit's template" }, {}).render(prompt, tools);
  return `${whole}${response}`.split(/<\|\w+\|>/);
}

/** Linear up, then along a cosine down to a tenth. */
function schedule(step: number, steps: number): number {
  if (step < warmupSteps) return step / warmupSteps;
  const progress = (step - warmupSteps) / (steps - warmupSteps);
  return 0.1 + 0.45 * (1 + Math.cos(Math.PI * progress));
}
