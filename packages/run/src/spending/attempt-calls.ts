import { attributeNames, type Attributes, type Span, type SpanInput } from '@agent-lightning/core';
import { addUsage, usageKey, usageOfCall, type CallTokens, type Usage, type UsageTable } from './usage.ts';

/** A model call as one span tells it. */
interface ToldCall extends CallTokens {
  readonly isGateway: boolean;
  readonly isJudge: boolean;
  /** True for a further choice of a call that another span counts. */
  readonly isChoice: boolean;
  readonly isAnswered: boolean;
  readonly responseId: string | undefined;
  readonly parentSpanId: string | undefined;
  /** The names of the model: that of the policy; as the gateway, or else the agent, asked for it; then as it answered. */
  readonly models: readonly string[];
}

/** The name of a model that nobody told. */
const unnamed = '(unnamed model)';

/**
 * Gathers the model calls of one attempt from its spans. A call that the gateway captured and a framework reported is one call. A
 * framework's call that failed, or that a cache answered, costs nothing.
 */
export class AttemptCalls {
  readonly #calls = new Map<string, ToldCall>();

  /** Takes the calls among these spans; a span that comes again replaces what it told. Returns true when there was one. */
  add(spans: readonly (Span | SpanInput)[]): boolean {
    const told = spans.filter((span) => span.kind === 'model_call' && span.isOpen !== true);
    for (const span of told) this.#calls.set(span.spanId, readCall(span));
    return told.length > 0;
  }

  /** Returns what the calls used. @param chooseModel picks the name by which a model is counted */
  usage(chooseModel: (names: readonly string[]) => string): UsageTable {
    const table = new Map<string, Usage>();
    const captured = [...this.#calls.values()].filter(({ isGateway }) => isGateway);
    const responses = new Set(captured.map(({ responseId }) => responseId));
    const parents = new Set(captured.map(({ parentSpanId }) => parentSpanId));
    for (const [spanId, call] of this.#calls) {
      const isCaptured = !call.isGateway && (parents.has(spanId) || responses.has(call.responseId ?? spanId));
      if (isCaptured || !call.isAnswered) continue;
      const key = usageKey(call.isJudge ? 'judge' : 'agent', chooseModel(call.models));
      const [, usage] = usageOfCall(key, call);
      addUsage(
        table,
        new Map([
          [key, call.isChoice ? { ...usage, calls: 0, inputTokens: 0, cachedTokens: 0, withoutUsage: 0 } : usage],
        ]),
      );
    }
    return table;
  }
}

function readCall({ attributes, status, parentSpanId }: Span | SpanInput): ToldCall {
  const isGateway = attributes[attributeNames.source] === 'gateway';
  const [inputTokens, outputTokens] = [
    readCount(attributes, attributeNames.inputTokens),
    readCount(attributes, attributeNames.outputTokens),
  ];
  const hasUsage = inputTokens !== undefined || outputTokens !== undefined;
  const isCached = !isGateway && attributes[attributeNames.untrainable] !== undefined;
  const policy = readText(attributes, attributeNames.policy);
  const asked = readText(attributes, attributeNames.upstreamModel);
  const requested = policy === undefined ? readText(attributes, attributeNames.requestModel) : undefined;
  const answered = readText(attributes, attributeNames.responseModel);
  const models = [policy, asked, requested, answered].flatMap((name) => name ?? []);
  return {
    isGateway,
    isJudge: attributes[attributeNames.isJudge] === true,
    isChoice: attributes[attributeNames.promptSpan] !== undefined,
    isAnswered: !isCached && (hasUsage || status.code !== 'error'),
    responseId: readText(attributes, attributeNames.responseId),
    parentSpanId,
    models: models.length === 0 ? [unnamed] : models,
    inputTokens,
    outputTokens,
    cachedTokens: readCount(attributes, attributeNames.cachedTokens),
  };
}

function readText(attributes: Attributes, name: string): string | undefined {
  const value = attributes[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function readCount(attributes: Attributes, name: string): number | undefined {
  const value = attributes[name];
  return typeof value === 'number' && value >= 0 ? value : undefined;
}
