import { currentRollout } from '@agent-lightning/core';
import { registerTelemetry, type Telemetry } from 'ai';
import { checkPlaced, enter, enterCall, modelRunId, runAround, runs } from './caller.ts';
import {
  modelOutcome,
  modelRun,
  toolResult,
  toolRun,
  agentRun,
  type ModelAnswerEvent,
  type ToolCallEvent,
} from './spans.ts';

/** What every event says: which operation it belongs to, and how that is named. */
interface CallEvent {
  readonly callId: string;
  readonly functionId?: string | undefined;
}

const key: symbol = Symbol.for('agentlightning.ai-sdk.listener.v1');
const globals = globalThis as unknown as Record<symbol, Telemetry | undefined>;

/**
 * Reports the operations of wrapped agents and models as spans. `withLightning` registers it for all operations; give it among the
 * `telemetry.integrations` of those that name their own, for they replace the registered ones.
 */
export function lightningTelemetry(): Telemetry {
  return (globals[key] ??= createListener());
}

/** Registers the listener, once per process. */
export function listen(): void {
  const registered = (globalThis as { AI_SDK_TELEMETRY_INTEGRATIONS?: readonly Telemetry[] })
    .AI_SDK_TELEMETRY_INTEGRATIONS;
  if (registered?.includes(lightningTelemetry()) !== true) registerTelemetry(lightningTelemetry());
}

function createListener(): Telemetry {
  return {
    onStart: (event: CallEvent) => beginOperation(event),
    onLanguageModelCallStart: (event) => {
      if (runs.get(event.callId) === undefined) return;
      runs.begin({
        id: modelRunId(event.callId),
        parentId: event.callId,
        describe: (parent) => modelRun(parent?.agent.names ?? [], parent?.detail.path ?? '', event),
      });
    },
    executeLanguageModelCall: ({ callId, functionId, provider, execute }) => {
      if (currentRollout() === undefined && runs.get(callId) === undefined) return execute();
      const id = modelRunId(callId);
      if (runs.get(id) === undefined) return enterCall(callId, functionId, execute);
      return enter(id, () => checkPlaced(id, provider, execute));
    },
    onLanguageModelCallEnd: (event) => {
      const id = modelRunId(event.callId);
      runs.end(id, modelOutcome(event as ModelAnswerEvent, runs.get(id)?.agent.names ?? []));
    },
    onToolExecutionStart: ({ callId, toolCall }) => {
      if (runs.get(callId) === undefined) return;
      runs.begin({
        id: toolRunId(callId, toolCall.toolCallId),
        parentId: callId,
        describe: (parent) => toolRun(toolCall as ToolCallEvent, parent?.detail.path ?? ''),
      });
    },
    executeTool: ({ callId, toolCallId, execute }) => {
      const id = toolRunId(callId, toolCallId);
      return runs.get(id) === undefined ? execute() : enter(id, execute);
    },
    onToolExecutionEnd: ({ callId, toolCall, toolOutput }) => {
      const id = toolRunId(callId, toolCall.toolCallId);
      if (toolOutput.type === 'tool-error') runs.fail(id, toolOutput.error);
      else runs.end(id, toolResult(toolOutput.output));
    },
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

function toolRunId(callId: string, toolCallId: string): string {
  return `${callId}:tool:${toolCallId}`;
}

/** An operation inside a wrapped agent: the agent's own, or one in its tools, which is an agent when it has a name. */
function beginOperation({ callId, functionId }: CallEvent): void {
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
