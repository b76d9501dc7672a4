import { tracingChannel } from 'node:diagnostics_channel';
import { currentRollout, processWide } from '@agent-lightning/tracing';
import { registerTelemetry, type Telemetry } from 'ai';
import {
  answerOf,
  checkPlaced,
  endModel,
  enter,
  enterCall,
  modelRunId,
  places,
  runAround,
  runs,
  type Place,
} from './caller.ts';
import {
  modelRun,
  spanName,
  toolResult,
  toolRun,
  agentRun,
  type ModelAnswerEvent,
  type ModelCallEvent,
  type ToolCallEvent,
} from './spans.ts';

/** Holds what every event says: the operation that it belongs to, and its name. */
interface CallEvent {
  readonly callId: string;
  readonly functionId?: string | undefined;
}

/**
 * Reports the operations of wrapped agents and models as spans. `withLightning` registers it for all operations; give it among the
 * `telemetry.integrations` of those that name their own, for they replace the registered ones.
 */
export function lightningTelemetry(): Telemetry {
  return processWide('agentlightning.ai-sdk.listener.v1', createListener);
}

/**
 * Registers the listener and follows the AI SDK's tracing channel, once per process: the channel also tells of operations whose own
 * integrations replace the registered ones.
 */
export function listen(): void {
  processWide('agentlightning.ai-sdk.channel.v1', followChannel);
  const registered = (globalThis as { AI_SDK_TELEMETRY_INTEGRATIONS?: readonly Telemetry[] })
    .AI_SDK_TELEMETRY_INTEGRATIONS;
  if (registered?.includes(lightningTelemetry()) !== true) registerTelemetry(lightningTelemetry());
}

function createListener(): Telemetry {
  return {
    onStart: (event: CallEvent) => beginOperation(event),
    onLanguageModelCallStart: (event) => beginModelCall(event),
    executeLanguageModelCall: ({ callId, functionId, provider, execute }) => {
      if (currentRollout() === undefined && runs.get(callId) === undefined) return execute();
      const id = modelRunId(callId);
      if (runs.get(id) === undefined) return enterCall(callId, spanName(functionId), execute);
      return enter(id, () => checkPlaced(id, provider, execute));
    },
    onLanguageModelCallEnd: (event) => endModel(modelRunId(event.callId), event as ModelAnswerEvent),
    onToolExecutionStart: ({ callId, toolCall }) =>
      beginTool(placedToolRunId(callId, toolCall.toolCallId), callId, toolCall as ToolCallEvent),
    executeTool: ({ callId, toolCallId, execute }) => {
      const id = placedToolRunId(callId, toolCallId);
      return runs.get(id) === undefined ? execute() : enter(id, execute);
    },
    onToolExecutionEnd: ({ callId, toolCall, toolOutput }) =>
      endTool(placedToolRunId(callId, toolCall.toolCallId), toolOutput),
    onStepError: ({ callId, error }) => runs.fail(modelRunId(callId), error),
    onEnd: ({ callId }: CallEvent) => endOperation(callId, (id) => runs.end(id)),
    onAbort: ({ callId, reason }) =>
      endOperation(callId, (id) => runs.fail(id, reason ?? new DOMException('aborted', 'AbortError'))),
    onError: (event) => {
      const { callId, error } = event as CallEvent & { readonly error: unknown };
      endOperation(callId, (id) => runs.fail(id, error));
    },
  };
}

function beginModelCall(event: CallEvent & ModelCallEvent): void {
  const operation = runs.get(event.callId);
  // Which of an operation's models are wrapped they say themselves: `prepareStep` may give another one for a step.
  if (operation === undefined || operation.detail.isOfModel === true) return;
  runs.begin({
    id: modelRunId(event.callId),
    parentId: event.callId,
    describe: (parent) => modelRun(parent?.agent.names ?? [], parent?.detail.path ?? '', event),
  });
}

function toolRunId(callId: string, toolCallId: string | undefined): string {
  return `${callId}:tool:${toolCallId}`;
}

/** Returns the id of a tool's run that begins: of calls that a model gave the same id, each has its own. */
function newToolRunId(callId: string, toolCallId: string | undefined): string {
  const id = toolRunId(callId, toolCallId);
  if (runs.get(id) === undefined) return id;
  let count = 2;
  while (runs.get(`${id}:${count}`) !== undefined) count++;
  return `${id}:${count}`;
}

/** Returns the id of the tool's run that the code is in, as the tracing channel began it. */
function placedToolRunId(callId: string, toolCallId: string | undefined): string {
  const id = toolRunId(callId, toolCallId);
  const placed = places.getStore()?.runId;
  return placed?.startsWith(`${id}:`) === true ? placed : id;
}

function beginTool(id: string, callId: string, toolCall: ToolCallEvent): void {
  if (runs.get(callId) === undefined) return;
  runs.begin({
    id,
    parentId: callId,
    describe: (parent) => ({
      ...toolRun(toolCall, parent?.detail.path ?? ''),
      // Its agents and models are not the wrapped model, and keep their models.
      ...(parent?.detail.isOfModel === true && { names: [], isBeside: true }),
    }),
  });
}

interface ToolOutput {
  readonly type: string;
  readonly output?: unknown;
  readonly error?: unknown;
}

function endTool(id: string, output: ToolOutput): void {
  if (output.type === 'tool-error') runs.fail(id, output.error);
  else runs.end(id, () => toolResult(output.output));
}

/** Begins an operation inside a wrapped agent: the agent's own, or one in its tools, which is an agent when it has a name. */
function beginOperation({ callId, functionId: named }: CallEvent): void {
  const functionId = spanName(named);
  const around = runAround();
  if (around === undefined) return;
  const { detail, agent } = around;
  const isOwn = detail.kind === 'agent' && detail.operation === undefined;
  if (!isOwn && functionId !== undefined) {
    return runs.begin({ id: callId, describe: () => agentRun(functionId, detail) });
  }
  if (isOwn) detail.operation = callId;
  runs.begin({
    id: callId,
    parentId: around.id,
    describe: () => ({
      names: functionId === undefined ? agent.names : [...new Set([...agent.names, functionId])],
      detail: { kind: 'operation', path: detail.path, ...(isOwn && { agentId: around.id }) },
    }),
  });
}

/** Ends an operation and what is open in it, and the agent that runs on it. */
function endOperation(callId: string, end: (id: string) => void): void {
  const agentId = runs.get(callId)?.detail.agentId;
  end(modelRunId(callId));
  end(callId);
  if (agentId !== undefined) end(agentId);
}

/** A message that the AI SDK publishes on its tracing channel; result and error come at the end, where they may be recorded. */
interface ChannelMessage {
  readonly type: string;
  readonly event: CallEvent & ModelCallEvent & { readonly toolCall?: ToolCallEvent };
  readonly result?: unknown;
  readonly error?: unknown;
}

function followChannel(): object {
  const channel = tracingChannel<unknown, ChannelMessage>('ai:telemetry');
  channel.start.bindStore(places, (message) => placeOf(message) ?? places.getStore() ?? {});
  runs.follow(() => places.getStore()?.runId);
  const nothing = (): void => undefined;
  channel.subscribe({ start: nothing, end: nothing, asyncStart: nothing, error: nothing, asyncEnd: endPublished });
  return channel;
}

/** The runs of the tools that the channel reports, by the message that it keeps from their begin to their end. */
const publishedTools = new WeakMap<ChannelMessage, string>();

/** Begins what the channel says begins, and where its code is then; undefined where that stays as it is. */
function placeOf(message: ChannelMessage): Place | undefined {
  const { type, event } = message;
  if (currentRollout() === undefined && runs.get(event.callId) === undefined) return undefined;
  switch (type) {
    case 'generateText':
    case 'streamText':
      beginOperation(event);
      return runs.get(event.callId) && { runId: event.callId };
    case 'step':
      // Its model call has the id of the step before, which nothing has ended when it was streamed.
      runs.end(modelRunId(event.callId));
      return undefined;
    case 'languageModelCall':
      beginModelCall(event);
      return runs.get(modelRunId(event.callId)) === undefined
        ? { call: { callId: event.callId, functionId: spanName(event.functionId) } }
        : { runId: modelRunId(event.callId) };
    case 'executeTool':
      return placeTool(message);
    default:
      return undefined;
  }
}

function placeTool(message: ChannelMessage): Place | undefined {
  const { callId, toolCall } = message.event;
  if (runs.get(callId) === undefined) return undefined;
  const runId = newToolRunId(callId, toolCall?.toolCallId);
  publishedTools.set(message, runId);
  if (toolCall !== undefined) beginTool(runId, callId, toolCall);
  return { runId };
}

/** Ends a call that the channel reports. Mostly the integration has ended it already, and then nothing is left to do. */
function endPublished(message: ChannelMessage): void {
  const { type, event, result, error } = message;
  if (type === 'generateText' || type === 'streamText')
    return endOperation(event.callId, (id) => (error === undefined ? runs.end(id) : runs.fail(id, error)));
  const tool = publishedTools.get(message);
  if (tool !== undefined && result !== undefined) endTool(tool, (result as { readonly output: ToolOutput }).output);
  if (type !== 'languageModelCall' || typeof result !== 'object' || result === null || 'stream' in result) return;
  endModel(modelRunId(event.callId), () => answerOf(result));
}
