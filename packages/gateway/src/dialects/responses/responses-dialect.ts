import { untellable, readSaid, readUsage } from '../chat/chat-reply.ts';
import type { Dialect } from '../dialect.ts';
import { KeptItems } from '../kept-items.ts';
import { itemSize } from './item-size.ts';
import { outputOf, responseHead, statusOf, usageOf, type OutputItem } from './response-object.ts';
import { keepResponse } from './kept-responses.ts';
import { mapResponseRequest } from './response-request.ts';
import { ResponseStream } from './response-stream.ts';

/**
 * The dialect of OpenAI's Responses, without what a server would have to keep for longer than an attempt: a request brings its whole
 * input, or refers to items or to a response that its attempt got before.
 */
export const responsesDialect: Dialect = {
  name: 'responses',
  errorBody: (error) => error.toBody(),
  parse(body, kept = new KeptItems()) {
    const { request, conversation } = mapResponseRequest(body, kept);
    const onOutput = (items: readonly OutputItem[], responseId: unknown): void => {
      if (body['store'] === false) return;
      for (const item of items) kept.outputs.set(item.id, item, itemSize(item));
      if (typeof responseId !== 'string') return;
      keepResponse(kept, responseId, [...conversation.earlier, ...conversation.own, ...items]);
    };
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
