import { untellable, readSaid, readUsage } from '../chat/chat-reply.ts';
import type { KeptItems, Dialect } from '../dialect.ts';
import { itemSize, mostItemCharacters } from './item-size.ts';
import { outputOf, responseHead, statusOf, usageOf, type OutputItem } from './response-object.ts';
import { keepResponse } from './kept-responses.ts';
import { conversationOf } from './response-input.ts';
import { mapResponseRequest } from './response-request.ts';
import { ResponseStream } from './response-stream.ts';

/** The most items that are kept for an attempt: more than any refers back to. */
const mostKeptItems = 1_000;

function keep(kept: KeptItems, items: readonly OutputItem[]): void {
  for (const item of items) kept.set(item.id, item);
  let characters = 0;
  const outputs = [...kept].filter(([, item]) => item['type'] !== 'response');
  for (const [, item] of outputs) characters += itemSize(item);
  for (const [index, [id, oldest]] of outputs.entries()) {
    if (outputs.length - index <= mostKeptItems && characters <= mostItemCharacters) return;
    kept.delete(id);
    characters -= itemSize(oldest);
  }
}

/**
 * The dialect of OpenAI's Responses, without what a server would have to keep for longer than an attempt: a request brings its whole
 * input, or refers to items or to a response that its attempt got before.
 */
export const responsesDialect: Dialect = {
  name: 'responses',
  errorBody: (error) => error.toBody(),
  parse(body, kept = new Map()) {
    const request = mapResponseRequest(body, kept);
    const onOutput = (items: readonly OutputItem[], responseId: unknown): void => {
      if (body['store'] === false) return;
      keep(kept, items);
      if (typeof responseId === 'string') keepResponse(kept, responseId, [...conversation, ...items]);
    };
    const conversation = conversationOf(body, kept);
    const stream = new ResponseStream(body, onOutput);
    return {
      request,
      translation: {
        whole(reply) {
          const said = readSaid(reply);
          if (said === undefined) throw untellable('it has no choice');
          const output = outputOf(said, body);
          const head = responseHead(reply, body);
          onOutput(output, head['id']);
          return {
            ...head,
            ...statusOf(said.finishReason),
            output,
            usage: usageOf(readUsage(reply)),
          };
        },
        chunk: (chunk) => stream.chunk(chunk),
        end: () => stream.end(),
        failure: (error) => stream.failure(error),
      },
    };
  },
};
