/** Turns dialogues into training samples of `cross_entropy`. */
import type { TrainingSample } from '@agent-lightning/core';
import type { ModelText } from '@agent-lightning/text';
import type { ToolDialogue } from './tool-dialogues.ts';

/** Makes a sample of each dialogue. Every learned token of the batch weighs the same, all of them together 1: the loss is then a mean. */
export function toTrainingSamples(model: ModelText, dialogues: readonly ToolDialogue[]): TrainingSample[] {
  const samples = dialogues.map((dialogue) => toSample(model, dialogue));
  const count = samples.reduce((sum, { lossMask }) => sum + lossMask.reduce((a, b) => a + b, 0), 0);
  return samples.map((sample) => ({ ...sample, advantages: sample.advantages.map((weight) => weight / count) }));
}

/** Learns what the assistant says, each time up to its end token, and nothing else. */
function toSample(model: ModelText, dialogue: ToolDialogue): TrainingSample {
  const tokens: number[] = [];
  const mask: number[] = [];
  for (const { text, isLearned } of splitByLearning(model, dialogue)) {
    const ids = model.tokenizer.encode(text, false);
    tokens.push(...ids);
    mask.push(...ids.map(() => (isLearned ? 1 : 0)));
  }
  return {
    tokens: Int32Array.from(tokens),
    lossMask: Uint8Array.from(mask),
    logprobs: new Float32Array(tokens.length),
    advantages: Float32Array.from(mask),
  };
}

/** Splits the rendered dialogue into what the assistant says and what is before it. */
function splitByLearning(
  { chatTemplate, directory }: ModelText,
  { messages, tools }: ToolDialogue,
): readonly { readonly text: string; readonly isLearned: boolean }[] {
  if (chatTemplate === undefined) throw new TypeError(`${directory} has no chat template.`);
  const opening = '\n<|im_start|>assistant\n'; // follows every end token where an answer is asked for
  const pieces: { text: string; isLearned: boolean }[] = [];
  let done = 0;
  for (const [index, { role }] of messages.entries()) {
    if (role !== 'assistant') continue;
    const prompt = chatTemplate.render(messages.slice(0, index), tools);
    const whole = chatTemplate.render(messages.slice(0, index + 1), tools);
    if (!whole.startsWith(prompt) || !whole.endsWith(opening))
      throw new TypeError(`${directory}: the chat template does not continue its own prompt.`);
    const end = whole.length - opening.length;
    pieces.push(
      { text: prompt.slice(done), isLearned: false },
      { text: whole.slice(prompt.length, end), isLearned: true },
    );
    done = end;
  }
  return pieces;
}
