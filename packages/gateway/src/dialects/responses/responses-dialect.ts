import { untellable, readSaid, readUsage } from '../chat/chat-reply.ts';
import type { KeptItems, Dialect } from '../dialect.ts';
import { itemSize, mostItemCharacters } from './item-size.ts';
import { outputOf, responseHead, statusOf, usageOf, type OutputItem } from './response-object.ts';
import { mapResponseRequest } from './response-request.ts';
import { ResponseStream } from './response-stream.ts';

/** The most items that are kept for an attempt: more than any refers back to. */
const mostKeptItems = 1_000;

function keep(kept: KeptItems, items: readonly OutputItem[]): void {
  for (const item of items) kept.set(item.id, item);
  let characters = 0;
  for (const item of kept.values()) characters += itemSize(item);
  for (const [id, oldest] of kept) {
    if (kept.size <= mostKeptItems && characters <= mostItemCharacters) return;
    kept.delete(id);
    characters -= itemSize(oldest);
  }
}

/**
 * The dialect of OpenAI's Responses, without what a server would have to keep: every request brings its whole input, or
 * refers to items that its attempt got before.
 */
export const responsesDialect: Dialect = {
  name: 'responses',
  errorBody: (error) => error.toBody(),
  parse(body, kept = new Map()) {
    const onOutput = (items: readonly OutputItem[]): void => {
      if (body['store'] !== false) keep(kept, items);
    };
    const stream = new ResponseStream(body, onOutput);
    return {
      request: mapResponseRequest(body, kept),
      translation: {
        whole(reply) {
          const said = readSaid(reply);
          if (said === undefined) throw untellable('it has no choice');
          const output = outputOf(said, body);
          onOutput(output);
          return {
            ...responseHead(reply, body),
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
