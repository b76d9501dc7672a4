import { untellable, readSaid, readUsage } from '../chat-reply.ts';
import type { Wire } from '../wire.ts';
import { outputOf, responseHead, statusOf, usageOf } from './response-object.ts';
import { mapResponseRequest } from './response-request.ts';
import { ResponseStream } from './response-stream.ts';

/** OpenAI's Responses, without what a server would have to keep: every request brings its whole input. */
export const responsesWire: Wire = {
  name: 'responses',
  errorBody: (error) => error.toWire(),
  parse(body) {
    const stream = new ResponseStream(body);
    return {
      request: mapResponseRequest(body),
      translation: {
        whole(reply) {
          const said = readSaid(reply);
          if (said === undefined) throw untellable('it has no choice');
          return {
            ...responseHead(reply, body),
            ...statusOf(said.finishReason),
            output: outputOf(said),
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
