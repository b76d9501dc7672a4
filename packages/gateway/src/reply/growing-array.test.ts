import { expect, it } from 'vitest';
import { chatFormat } from '../reply-reader/chat-format.ts';
import { readPayload } from '../reply-reader/reply-format.ts';
import { GrowingArray } from './growing-array.ts';
import { ReplyDraft } from './model-reply.ts';

function createArray(): GrowingArray<Int32Array> {
  return new GrowingArray((length) => new Int32Array(length));
}

it('gives an adopted piece back without a copy', () => {
  const [array, piece] = [createArray(), Int32Array.of(1, 2, 3)];
  array.adopt(piece);
  expect(array.toArray()).toBe(piece);
  expect(array.length).toBe(3);
});

it('copies an adopted piece when more is added, and leaves it as it is', () => {
  const [array, piece] = [createArray(), Int32Array.of(1, 2, 3)];
  array.adopt(piece);
  array.append([4]);
  array.adopt(Int32Array.of(5, 6));
  expect([...array.toArray()]).toEqual([1, 2, 3, 4, 5, 6]);
  expect([...piece]).toEqual([1, 2, 3]);
});

it('does not write over an adopted piece after it was cleared', () => {
  const [array, piece] = [createArray(), Int32Array.of(1, 2, 3)];
  array.adopt(piece);
  array.clear();
  array.append([7, 8]);
  expect([...array.toArray()]).toEqual([7, 8]);
  expect([...piece]).toEqual([1, 2, 3]);
});

it('copies what was appended, for its memory is used again', () => {
  const array = createArray();
  array.append([1, 2]);
  const copy = array.toArray();
  array.clear();
  array.append([3, 4]);
  expect([...copy]).toEqual([1, 2]);
});

function choiceOf(ids: Int32Array, logprobs: Float32Array): Record<string, unknown> {
  return { index: 0, message: { content: 'six' }, finish_reason: 'stop', token_ids: ids, logprobs };
}

it('lets the arrays of a whole reply through to the captured choice', () => {
  const [ids, logprobs] = [Int32Array.of(1, 2), Float32Array.of(-0.5, -1)];
  const draft = new ReplyDraft(1);
  readPayload({ choices: [choiceOf(ids, logprobs)] }, draft, chatFormat, false);
  const [choice] = draft.toReply().choices;
  expect(choice?.tokens).toBe(ids);
  expect(choice?.logprobs).toBe(logprobs);
});

it('keeps both lists of a reply that gives one choice twice, so that their lengths tell', () => {
  const draft = new ReplyDraft(1);
  const choice = choiceOf(Int32Array.of(1, 2), Float32Array.of(-0.5, -1));
  readPayload({ choices: [choice, { ...choice }] }, draft, chatFormat, false);
  const [read] = draft.toReply().choices;
  expect([read?.tokens?.length, read?.logprobs?.length]).toEqual([4, 4]);
});

it('checks an adopted list of log-probabilities', () => {
  const draft = new ReplyDraft(1);
  readPayload({ choices: [choiceOf(Int32Array.of(1), Float32Array.of(0.5))] }, draft, chatFormat, false);
  expect(draft.toReply().malformed).toBe('log-probability 0 of choice 0 is 0.5');
});
