import {
  agentSpan,
  answerAttributes,
  capText,
  describeValue,
  errorOutcome,
  modelCallSpan,
  toolOutcome,
  toolSpan,
  type FrameworkRun,
  type SpanOutcome,
} from '@agent-lightning/tracing';
import { attributeNames } from '@agent-lightning/core';
import type { Span, SpanData } from '@openai/agents';

type SpanOf<Type extends SpanData['type']> = Extract<SpanData, { readonly type: Type }>;

/** Holds what a child needs to know of the span around it. */
export interface SpanDetail {
  readonly type: string;
  readonly parentId: string | undefined;
  /** The agents from the outermost to this one, joined by `/`; undefined outside an agent. */
  readonly path: string | undefined;
  readonly names: readonly string[];
}

/** Describes what a span of the SDK is in the trace. Tasks, turns, handoffs and the like are left out, and their children move up. */
export function describeSpan(
  data: SpanData,
  parentId: string | undefined,
  parent: SpanDetail | undefined,
): FrameworkRun<SpanDetail> {
  const around = { type: data.type, parentId, path: parent?.path, names: parent?.names ?? [] };
  switch (data.type) {
    case 'agent':
      return describeAgent(data, around);
    case 'generation':
    case 'response':
      return { span: modelCallSpan({ names: around.names }), detail: around };
    case 'function':
      return { span: toolSpan({ name: data.name }), detail: around };
    case 'guardrail': {
      const name = `guardrail ${data.name}`;
      return {
        span: { kind: 'operation', name, attributes: { [attributeNames.operationLabel]: name } },
        names: [name],
        isBeside: true,
        detail: around,
      };
    }
    default:
      return { detail: around };
  }
}

function describeAgent({ name }: SpanOf<'agent'>, around: SpanDetail): FrameworkRun<SpanDetail> {
  const path = around.path === undefined ? name : `${around.path}/${name}`;
  const names = path === name ? [name] : [name, path];
  return { span: agentSpan(name, names), names, detail: { ...around, path, names } };
}

/** Returns the outcome of a span of the SDK. */
export function describeEnd({ spanData, error }: Pick<Span<SpanData>, 'spanData' | 'error'>): SpanOutcome {
  const { attributes, ...rest } = outcomeOf(spanData);
  if (error === null) return { attributes: attributes ?? {}, ...rest };
  const failed = errorOutcome(error);
  return { status: failed.status, attributes: { ...attributes, ...failed.attributes } };
}

function outcomeOf(data: SpanData): SpanOutcome {
  switch (data.type) {
    case 'generation':
      return { attributes: generationAttributes(data) };
    case 'response':
      return { attributes: responseAttributes(data) };
    case 'function':
      return {
        attributes: { ...toolOutcome(data.output).attributes, [attributeNames.toolArguments]: capText(data.input) },
      };
    case 'guardrail':
      return { attributes: { [attributeNames.operationOutput]: describeValue({ triggered: data.triggered }) } };
    default:
      return {};
  }
}

/** Reads the reply of Chat Completions, as the server gave it, or as the SDK put it together from a stream; or the items of `aisdk`. */
function generationAttributes({ output, model, usage }: SpanOf<'generation'>): ReturnType<typeof answerAttributes> {
  const reply = output?.[0];
  const choice = (reply?.['choices'] as readonly { readonly finish_reason?: unknown }[] | undefined)?.[0];
  return answerAttributes({
    responseId: generationId(output),
    model: reply?.['model'] ?? model,
    finishReason: choice?.finish_reason,
    inputTokens: usage?.input_tokens,
    outputTokens: usage?.output_tokens,
    cachedTokens: cachedOf(usage),
  });
}

/** Returns the tokens that were read from a cache: of Responses, or of Chat Completions. */
function cachedOf(usage: unknown): unknown {
  const { input_tokens_details: input, prompt_tokens_details: prompt } = (usage ?? {}) as {
    readonly input_tokens_details?: { readonly cached_tokens?: unknown };
    readonly prompt_tokens_details?: { readonly cached_tokens?: unknown };
  };
  return input?.cached_tokens ?? prompt?.cached_tokens;
}

/** Returns the id of the response. A model of the AI SDK gives items, whose ids are their own; the response's is among what their provider says. */
function generationId(output: SpanOf<'generation'>['output']): unknown {
  const [first, ...others] = output ?? [];
  if (first?.['type'] === undefined) return first?.['id'];
  const items = [first, ...others] as readonly { readonly providerData?: { readonly responseId?: unknown } }[];
  return items.find(({ providerData }) => providerData?.responseId !== undefined)?.providerData?.responseId;
}

function responseAttributes({
  response_id: responseId,
  _response: reply,
}: SpanOf<'response'>): ReturnType<typeof answerAttributes> {
  const usage = reply?.['usage'] as { readonly input_tokens?: unknown; readonly output_tokens?: unknown } | undefined;
  return answerAttributes({
    responseId,
    model: reply?.['model'],
    finishReason: reply?.['status'],
    inputTokens: usage?.input_tokens,
    outputTokens: usage?.output_tokens,
    cachedTokens: cachedOf(usage),
  });
}
