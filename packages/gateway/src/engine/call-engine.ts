import { randomUUID } from 'node:crypto';
import {
  LightningError,
  type GenerateEvent,
  type GenerateRequest,
  type LightningErrorCode,
  type PolicySnapshot,
  type ToolCallFormat,
} from '@agent-lightning/core';
import { hasChannels } from '@agent-lightning/text';
import type { JsonObject } from '../http/read-body.ts';
import { ReplyError } from '../http/reply-error.ts';
import { engineCompletionReply } from './engine-completion-reply.ts';
import { engineChatReply } from './engine-chat-reply.ts';
import type { EngineReplyForm, Piece, ReplyHead } from './engine-reply-form.ts';
import { mapEngineRequest } from './engine-request.ts';
import type { ModelCall } from '../reply/model-call.ts';
import { ToolCallText } from './tool-call-text.ts';

type EngineCall = ModelCall<Extract<PolicySnapshot, { kind: 'engine' }>>;

/** The errors with which an engine rejects its input; the agent can correct them. */
const inputErrors: ReadonlySet<LightningErrorCode> = new Set([
  'context-exceeded',
  'samples-invalid',
  'option-unsupported',
]);

function engineError(error: unknown, inputField: string): ReplyError {
  if (error instanceof ReplyError) return error;
  if (LightningError.isInstance(error)) {
    const param = error.code === 'context-exceeded' ? { param: inputField } : {};
    return new ReplyError(error.message, {
      code: error.code,
      cause: error,
      ...param,
      ...(inputErrors.has(error.code) ? {} : { status: 502 }),
    });
  }
  return new ReplyError(`the engine failed: ${error instanceof Error ? error.message : String(error)}`, {
    code: 'upstream-failed',
    cause: error,
  });
}

function toolsUnreadable(model: string): ReplyError {
  return new ReplyError(
    `the engine that serves ${model} does not say how its model writes tool calls (toolCallFormat), so they could not be told from text; leave the tools out, or use a model whose chat template teaches a known format`,
    { code: 'option-unsupported', param: 'tools' },
  );
}

/** Hands on the engine's events until it ends or the signal aborts, also for an engine that does not listen to the signal. */
async function forEachEvent(
  events: AsyncIterator<GenerateEvent>,
  signal: AbortSignal,
  inputField: string,
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
    throw engineError(error, inputField);
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (signal.aborted) void events.return?.().catch(() => undefined);
  }
}

/** The state of a call while its events come in. */
interface Reading {
  readonly call: EngineCall;
  readonly form: EngineReplyForm;
  readonly head: ReplyHead;
  /** Makes the reader of a choice's tool calls and thoughts; undefined when an answer is all content. */
  readonly createToolText: ((isThinking: boolean) => ToolCallText) | undefined;
  /** Each choice's reader, from the prompt on. */
  toolTexts: readonly ToolCallText[] | undefined;
  /** Each choice's pieces; kept only when the agent wants log-probabilities of an unstreamed reply. */
  readonly pieces: readonly Piece[][] | undefined;
}

function beginReading(call: EngineCall, createToolText: Reading['createToolText']): Reading {
  const { request, draft, snapshot } = call;
  const form = request.input.kind === 'chat' ? engineChatReply : engineCompletionReply;
  const head: ReplyHead = {
    id: `${form.idPrefix}${randomUUID()}`,
    created: Math.floor(Date.now() / 1000),
    model: request.model,
    system_fingerprint: `version-${snapshot.version}`,
  };
  draft.id = head.id;
  draft.model = request.model;
  return {
    call,
    form,
    head,
    createToolText,
    toolTexts: undefined,
    pieces:
      request.view.logprobs && !request.view.stream
        ? Array.from({ length: request.choices }, (): Piece[] => [])
        : undefined,
  };
}

/** Returns what makes a reader of tool calls: for requests with tools, and for models that think in a channel of its own. */
function toolTextFactory(
  format: ToolCallFormat | undefined,
  input: GenerateRequest['input'],
): Reading['createToolText'] {
  if (format === undefined || !('messages' in input)) return undefined;
  const { tools = [] } = input;
  if (tools.length === 0 && !hasChannels(format)) return undefined;
  return (isThinking) => new ToolCallText(format, { tools, isThinking });
}

/** Feeds the draft, and returns the chunks that show the event to an agent that streams. */
function readEvent(reading: Reading, event: GenerateEvent): readonly JsonObject[] {
  const { call, form, head, pieces } = reading;
  const { draft, request } = call;
  if (event.type === 'prompt') {
    draft.setPrompt(event.tokens);
    const { createToolText } = reading;
    reading.toolTexts =
      createToolText && Array.from({ length: request.choices }, () => createToolText(event.isThinking === true));
    return request.view.stream ? form.opening(head, request.choices, request.view, event.tokens) : [];
  }
  const choice = draft.choice(event.choice);
  if (choice === undefined) {
    draft.markMalformed(`the engine answered choice ${event.choice} of ${request.choices}`);
    return [];
  }
  const toolText = reading.toolTexts?.[event.choice];
  if (event.type === 'finish') {
    const rest = toolText?.end() ?? {};
    choice.message.add({ ...rest });
    choice.finishReason =
      toolText !== undefined && toolText.calls > 0 && event.reason === 'stop' ? 'tool_calls' : event.reason;
    return request.view.stream ? form.finish(head, event.choice, rest, choice.finishReason) : [];
  }
  draft.markFirstToken();
  const delta = toolText?.push(event.text) ?? { content: event.text };
  choice.message.add({ ...delta });
  draft.addTokens(event.choice, event.tokens);
  draft.addLogprobs(event.choice, event.logprobs);
  pieces?.[event.choice]?.push(event);
  return request.view.stream ? form.piece(head, event, delta, request.view) : [];
}

/** Answers a call from an engine in this process. @throws {ReplyError} */
export async function callEngine(call: EngineCall): Promise<void> {
  const { draft, sink, snapshot } = call;
  const { view } = call.request;
  const generateRequest = mapEngineRequest(call.request);
  const hasTools = 'tools' in generateRequest.input;
  const { toolCallFormat } = snapshot.engine;
  const reading = beginReading(call, toolTextFactory(toolCallFormat, generateRequest.input));
  const events = snapshot.engine.generate(generateRequest, call.signal)[Symbol.asyncIterator]();
  const inputField = call.request.input.kind === 'chat' ? 'messages' : 'prompt';
  await forEachEvent(events, call.signal, inputField, (event) => {
    // The engine comes first: it may say better than this why it cannot take tools.
    if (hasTools && toolCallFormat === undefined) throw toolsUnreadable(call.request.model);
    for (const payload of readEvent(reading, event)) sink.event({ payload });
    return sink.flush();
  });
  if (!draft.isFinished)
    throw new ReplyError('the engine stopped before every choice had ended', { code: 'upstream-malformed' });
  draft.usage = { inputTokens: draft.promptLength, outputTokens: draft.sampledTokens };
  if (!view.stream) return sink.json(reading.form.whole(reading.head, draft.toReply(), view, reading.pieces ?? []));
  if (view.usage) sink.event({ payload: reading.form.usage(reading.head, draft.usage) });
  return sink.endEvents();
}
