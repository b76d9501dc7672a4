/** Dialogues that a starting model learns from, as training samples. */
import type { ChatMessage, JsonValue, TrainingSample } from '@agent-lightning/core';
import type { Checkpoint } from '@agent-lightning/embedded';

/** A prompt and the answer that is learned; the prompt is not. */
export interface Dialogue {
  readonly prompt: readonly ChatMessage[];
  /** The tools, as the agent's request names them. @default none */
  readonly tools?: readonly JsonValue[];
  readonly response: string;
  /** Tells whether the assistant's earlier messages in the prompt are learned too. @default false */
  readonly learnsEveryTurn?: boolean;
}

/** Makes a training sample of each dialogue. Every learned token of the batch weighs the same, all of them together 1: the loss is then a mean. */
export function toTrainingSamples(checkpoint: Checkpoint, dialogues: readonly Dialogue[]): TrainingSample[] {
  const samples = dialogues.map((dialogue) => toSample(checkpoint, dialogue));
  const count = samples.reduce((sum, { lossMask }) => sum + lossMask.reduce((a, b) => a + b, 0), 0);
  return samples.map((sample) => ({ ...sample, advantages: sample.advantages.map((weight) => weight / count) }));
}

/** Makes tokens of the rendered dialogue, the answer and its end. Only the last two are learned, or all that the assistant says. */
function toSample(
  { tokenizer, chatTemplate, eosTokenIds }: Checkpoint,
  { prompt, tools, response, learnsEveryTurn = false }: Dialogue,
): TrainingSample {
  if (chatTemplate === undefined) throw new TypeError('The checkpoint has no chat template.');
  const head = tokenizer.encode(chatTemplate.render(prompt, tools), false);
  const tokens = Int32Array.from([...head, ...tokenizer.encode(response, false), ...eosTokenIds]);
  const opening = head.at(-1)!; // the token before whatever the assistant says
  let isAssistant = false;
  const lossMask = Uint8Array.from(tokens, (token, t) => {
    const isLearned = learnsEveryTurn ? isAssistant : t >= head.length;
    isAssistant = (isAssistant && !eosTokenIds.includes(token)) || token === opening;
    return isLearned ? 1 : 0;
  });
  return { tokens, lossMask, logprobs: new Float32Array(tokens.length), advantages: Float32Array.from(lossMask) };
}
