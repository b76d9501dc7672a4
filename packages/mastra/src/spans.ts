import {
  agentSpan,
  attemptSpan,
  errorOutcome,
  markExecution,
  modelCallSpan,
  toolOutcome,
  toolSpan,
  type ActiveAgent,
  type FrameworkRun,
  type ModelCallAnswer,
  type SpanOutcome,
} from '@agent-lightning/tracing';

export type Run = FrameworkRun<undefined>;

/** Describes the run of an agent, a workflow or a step: its id, and its path from the outermost one. */
export function agentRun(id: string, around: ActiveAgent | undefined, execution?: string): Run {
  const outer = around?.names[1] ?? around?.names[0];
  const names = outer === undefined ? [id] : [id, `${outer}/${id}`];
  return { span: markExecution(agentSpan(id, names), execution), names, detail: undefined };
}

/** Describes one of the attempts at a step that has retries. */
export function attemptRun(execution: string): Run {
  return { span: attemptSpan(execution), detail: undefined };
}

/** Describes a tool's execution; also that of an agent or a workflow that is used as a tool. */
export function toolRun(name: string, args: unknown, callId: string | undefined): Run {
  return { span: toolSpan({ name, arguments: args, callId }), detail: undefined };
}

/** Holds what Mastra says of a workflow or a step that has ended. */
export interface StepResult {
  readonly status: string;
  readonly output?: unknown;
  readonly error?: unknown;
}

/** Returns the outcome of a workflow or a step. One that is suspended waits, which is not an error. */
export function stepOutcome({ status, error }: StepResult): SpanOutcome {
  if (status === 'failed') return errorOutcome(error);
  if (status === 'canceled' || status === 'tripwire') return errorOutcome(`the workflow ended as ${status}`);
  return status === 'success' ? {} : { status: { code: 'unset' } };
}

/** Returns the outcome of a tool that is a step. */
export function toolStepOutcome(result: StepResult): SpanOutcome {
  return result.status === 'success' ? toolOutcome(result.output) : stepOutcome(result);
}

/** Describes a model call of an agent. */
export function modelRun(names: readonly string[], model: unknown, callOptions: unknown): Run {
  const { temperature } = (callOptions ?? {}) as { readonly temperature?: unknown };
  return { span: modelCallSpan({ names, model, temperature }), detail: undefined };
}

/** The parts of a model's stream that are read, of every version of the AI SDK's models. */
export interface StreamPart {
  readonly type: string;
  readonly id?: unknown;
  readonly modelId?: unknown;
  readonly finishReason?: unknown;
  readonly usage?: {
    readonly inputTokens?: unknown;
    readonly outputTokens?: unknown;
    readonly cachedInputTokens?: unknown;
  };
  readonly error?: unknown;
}

/** Reads what a part of the stream says of the answer. */
export function readPart(part: StreamPart): ModelCallAnswer {
  if (part.type === 'response-metadata') return { responseId: part.id, model: part.modelId };
  if (part.type !== 'finish') return {};
  const { inputTokens, outputTokens, cachedInputTokens } = part.usage ?? {};
  return {
    finishReason: plainOr(part.finishReason, 'unified'),
    inputTokens: plainOr(inputTokens, 'total'),
    outputTokens: plainOr(outputTokens, 'total'),
    cachedTokens: typeof inputTokens === 'object' ? plainOr(inputTokens, 'cacheRead') : cachedInputTokens,
  };
}

/** Models of version 3 and later give objects where those before give plain values. */
function plainOr(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : value;
}
