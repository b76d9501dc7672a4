import { modelField } from '../request/request-fields.ts';
import { abortWhenLate } from './answer-call.ts';
import type { CallLimits } from './call-limits.ts';
import type { JsonObject } from '../http/read-body.ts';
import type { ReplyWriter } from '../http/reply-writer.ts';
import { ReplyError } from '../http/reply-error.ts';
import type { PolicyRegistry } from '../policies/policy-registry.ts';
import { askUpstream, type Servers } from '../upstream/ask-upstream.ts';
import { expectType } from '../upstream/call-upstream.ts';
import { readWhole } from '../upstream/http-exchange.ts';

export interface EmbeddingsCall {
  readonly body: JsonObject;
  readonly policies: PolicyRegistry;
  readonly servers: Servers;
  readonly limits: CallLimits;
  readonly writer: ReplyWriter;
  readonly controller: AbortController;
  /** Called with the size of each piece of the reply; what it throws ends the call. */
  readonly onReplyBytes: (bytes: number) => void;
}

/** Passes an embeddings request to the model's server and its reply back, byte for byte. Nothing is sampled, so nothing is captured. @throws {ReplyError} */
export async function passEmbeddings(call: EmbeddingsCall): Promise<void> {
  const { limits, controller, servers } = call;
  const { snapshot, leave } = call.policies.admit(modelField(call.body));
  const timer = abortWhenLate(controller, limits);
  try {
    if (snapshot.kind === 'engine')
      throw new ReplyError('the engine that serves this model makes no embeddings', {
        code: 'request-invalid',
        param: 'model',
      });
    const { reply, url } = await askUpstream(
      {
        snapshot,
        servers,
        path: '/embeddings',
        body: Buffer.from(JSON.stringify({ ...call.body, model: snapshot.model })),
        accept: 'application/json',
        signal: controller.signal,
        onRetry: () => undefined,
      },
      { ...limits, deadlineMs: performance.now() + limits.callTimeoutMs },
    );
    expectType(reply, 'application/json', url, snapshot.apiKey);
    const { maxReplyBytes: limitBytes, stallTimeoutMs } = limits;
    const { onReplyBytes: onBytes } = call;
    const bytes = await readWhole(reply, { url, limitBytes, signal: controller.signal, stallTimeoutMs, onBytes });
    call.writer.bytes(bytes, 'application/json');
  } finally {
    clearTimeout(timer);
    leave();
  }
}
