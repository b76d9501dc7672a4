/** Turns an answer that somebody wrote into the tokens that a model would have sampled for it. */
import { BackendError, type TrainingBackend } from '@agent-lightning/core';

import type { ModelText } from './model-text.ts';

type EncodeAnswer = NonNullable<TrainingBackend['encodeAnswer']>;

/**
 * Returns a model call as tokens: the prompt as a chat engine encodes it, and the answer with the token that ends it, as the model's own
 * template writes both.
 *
 * @throws {BackendError} `option-unsupported` for a model without a chat template, or tools that it does not take; `samples-invalid` for
 *   an answer of another role, one that is empty, that holds the text of an end token, or that the template does not show behind the prompt
 */
export function encodeAnswer(
  text: Pick<ModelText, 'chatTemplate' | 'tokenizer' | 'directory' | 'eosTokenIds'>,
  { messages, tools, answer }: Parameters<EncodeAnswer>[0],
): Awaited<ReturnType<EncodeAnswer>> {
  const { chatTemplate, tokenizer, directory, eosTokenIds } = text;
  if (chatTemplate === undefined)
    throw new BackendError(`${directory} has no chat template, so no chat can be encoded; add a chat_template.jinja.`, {
      code: 'option-unsupported',
    });
  if (answer.role !== 'assistant') throw unfit(`its role is ${JSON.stringify(answer.role)}`);
  const rendered = chatTemplate.renderAnswer(messages, answer, tools);
  if (rendered.answer === undefined)
    throw unfit('the chat template shows it otherwise than behind the prompt, as when it drops what a model thought');
  const promptIds = tokenizer.encode(rendered.prompt, false);
  const answered = encodeBehind(tokenizer, rendered.prompt, promptIds, rendered.answer);
  const responseIds = cutAtEnd(answered, eosTokenIds);
  if (tokenizer.decode(responseIds) === '' && responseIds.length < 2) throw unfit('it is empty');
  return { promptIds, responseIds };
}

/** Encodes a text as it stands behind another: with it, so that a tokenizer that marks the beginning of a text does not mark its own. */
function encodeBehind(
  tokenizer: ModelText['tokenizer'],
  prompt: string,
  promptIds: Int32Array,
  answer: string,
): Int32Array {
  const whole = tokenizer.encode(prompt + answer, false);
  // A token that spans the border is none that a model samples: it reads the prompt alone.
  return promptIds.every((id, index) => whole[index] === id)
    ? whole.slice(promptIds.length)
    : tokenizer.encode(answer, false);
}

/** Cuts behind the end token; adds one where the template writes none, since the model is to stop there. */
function cutAtEnd(ids: Int32Array, endIds: readonly number[]): Int32Array {
  const ends = [...ids.keys()].filter((index) => endIds.includes(ids[index]!));
  if (ends.length > 1) throw unfit('it holds the text of an end token');
  if (ends.length === 1) return ids.slice(0, ends[0]! + 1);
  return endIds.length === 0 ? ids : Int32Array.of(...ids, endIds[0]!);
}

function unfit(why: string): BackendError {
  return new BackendError(`The answer cannot be imitated: ${why}.`, { code: 'samples-invalid' });
}
