import { randomUUID } from 'node:crypto';
import { LightningError, type GenerateEvent, type PolicyRelease } from '@agent-lightning/core';
import { WireError } from '../http/wire-error.ts';
import {
  completionPayload,
  finishChunk,
  openingChunks,
  pieceChunk,
  usageChunk,
  type ReplyHead,
} from './engine-reply.ts';
import { mapEngineRequest } from './engine-request.ts';
import type { ModelCall } from './model-call.ts';

type EngineCall = ModelCall<Extract<PolicyRelease, { kind: 'engine' }>>;
type Piece = Extract<GenerateEvent, { type: 'piece' }>;

function engineError(error: unknown): WireError {
  if (error instanceof WireError) return error;
  if (LightningError.isInstance(error)) {
    const isInput = error.code === 'context-exceeded' || error.code === 'rows-invalid';
    return new WireError(error.message, {
      code: error.code,
      cause: error,
      ...(error.code === 'context-exceeded' ? { param: 'messages' } : {}),
      ...(isInput ? {} : { status: 502 }),
    });
  }
  return new WireError(`the engine failed: ${error instanceof Error ? error.message : String(error)}`, {
    code: 'upstream-failed',
    cause: error,
  });
}

/** Hands on the engine's events until it ends or the signal aborts, also for an engine that does not listen to the signal. */
async function forEachEvent(
  events: AsyncIterator<GenerateEvent>,
  signal: AbortSignal,
  onEvent: (event: GenerateEvent) => Promise<void> | undefined,
): Promise<void> {
  let rejectNext: (reason: unknown) => void = () => undefined;
  const onAbort = (): void => rejectNext(signal.reason);
  signal.addEventListener('abort', onAbort);
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = await new Promise<IteratorResult<GenerateEvent>>((resolve, reject) => {
        rejectNext = reject;
        events.next().then(resolve, reject);
      });
      if (next.done === true) return;
      const written = onEvent(next.value);
      if (written !== undefined) await written;
    }
  } catch (error) {
    // An engine may end in its own way when it is aborted; what counts is why it was.
    if (signal.aborted) throw signal.reason;
    throw engineError(error);
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (signal.aborted) void events.return?.().catch(() => undefined);
  }
}

/** Feeds the draft; `pieces` are kept only when the agent wants log-probabilities of an unstreamed reply. */
function gather(call: EngineCall, event: GenerateEvent, pieces: Piece[][] | undefined): void {
  const { draft } = call;
  if (event.type === 'prompt') return draft.setPrompt(event.tokens);
  const choice = draft.choice(event.choice);
  if (choice === undefined)
    return draft.markMalformed(`the engine answered choice ${event.choice} of ${call.request.choices}`);
  if (event.type === 'finish') {
    choice.finishReason = event.reason;
    return undefined;
  }
  draft.markFirstToken();
  choice.message.addText(event.text);
  draft.addTokens(event.choice, event.tokens);
  draft.addLogprobs(event.choice, event.logprobs);
  pieces?.[event.choice]?.push(event);
  return undefined;
}

function chunkOf(head: ReplyHead, call: EngineCall, event: GenerateEvent): readonly unknown[] {
  if (event.type === 'prompt') return openingChunks(head, call.request.choices, call.request.view, event.tokens);
  if (event.type === 'finish') return [finishChunk(head, event.choice, event.reason)];
  const chunk = pieceChunk(head, event, call.request.view);
  return chunk === undefined ? [] : [chunk];
}

/** Answers a call from an engine in this process. @throws {WireError} */
export async function callEngine(call: EngineCall): Promise<void> {
  const { request, draft, writer, release } = call;
  const { view } = request;
  const generateRequest = mapEngineRequest(request);
  const head: ReplyHead = {
    id: `chatcmpl-${randomUUID()}`,
    created: Math.floor(Date.now() / 1000),
    model: request.model,
    system_fingerprint: `version-${release.version}`,
  };
  draft.id = head.id;
  draft.model = request.model;
  const pieces: Piece[][] | undefined =
    view.logprobs && !view.stream ? Array.from({ length: request.choices }, () => []) : undefined;
  const events = release.engine.generate(generateRequest, call.signal)[Symbol.asyncIterator]();
  await forEachEvent(events, call.signal, (event) => {
    gather(call, event, pieces);
    if (!view.stream) return undefined;
    const chunks = chunkOf(head, call, event);
    return chunks.length > 0 ? writer.events(chunks) : undefined;
  });
  if (!draft.isFinished)
    throw new WireError('the engine stopped before every choice had ended', { code: 'upstream-malformed' });
  draft.usage = { inputTokens: draft.promptLength, outputTokens: draft.sampledTokens };
  if (!view.stream) return writer.json(completionPayload(head, draft.toReply(), view, pieces ?? []));
  if (view.usage) await writer.events([usageChunk(head, draft.usage)]);
  return writer.endEvents();
}
