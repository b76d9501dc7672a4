/** Dialogues that a starting model learns from, as rows of tokens. */
import type { ChatMessage, JsonValue, TrainingSample } from '@agent-lightning/core';
import type { Checkpoint } from '@agent-lightning/embedded';

/** A prompt and the answer that is learned; the prompt is not. */
export interface Dialogue {
  readonly prompt: readonly ChatMessage[];
  /** What the agent's request says of its tools. @default none */
  readonly tools?: readonly JsonValue[];
  readonly response: string;
  /** Whether the assistant's earlier messages in the prompt are learned too. @default false */
  readonly learnsEveryTurn?: boolean;
}

/** A row of each dialogue; every learned token of the batch weighs the same, all of them together 1: the loss is then a mean. */
export function dialogueRows(checkpoint: Checkpoint, dialogues: readonly Dialogue[]): TrainingSample[] {
  const rows = dialogues.map((dialogue) => toRow(checkpoint, dialogue));
  const count = rows.reduce((sum, { lossMask }) => sum + lossMask.reduce((a, b) => a + b, 0), 0);
  return rows.map((row) => ({ ...row, advantages: row.advantages.map((weight) => weight / count) }));
}

/** The rendered dialogue, the answer and its end; only the last two are learned, or what else the assistant says and its ends. */
function toRow(
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
