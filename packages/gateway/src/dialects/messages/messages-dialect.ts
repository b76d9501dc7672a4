import { readSaid, readUsage, untellable } from '../chat/chat-reply.ts';
import type { Dialect } from '../dialect.ts';
import { keepInputTexts } from './input-texts.ts';
import { messageError } from './message-error.ts';
import { contentBlocks, messageHead, stopOf, usageOf } from './message-object.ts';
import { mapMessageRequest } from './message-request.ts';
import { MessageStream } from './message-stream.ts';

/** The dialect of Anthropic's Messages. */
export const messagesDialect: Dialect = {
  name: 'messages',
  errorBody: messageError,
  keepTexts: keepInputTexts,
  parse(body) {
    const stream = new MessageStream();
    return {
      request: mapMessageRequest(body),
      translation: {
        whole(reply) {
          const said = readSaid(reply);
          if (said === undefined) throw untellable('it has no choice');
          return {
            ...messageHead(reply),
            content: contentBlocks(said),
            ...stopOf(said.finishReason, said.stopText, {
              isRefusal: said.refusal !== '',
              hasCalls: said.calls.length > 0,
            }),
            stop_details: null,
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
