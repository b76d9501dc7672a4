import { attributeNames, rewardNameAttribute, rewardValueAttribute, type Attributes, type Span } from '../../src/index.ts';

export type SpanShape = Partial<Omit<Span, 'attributes' | 'spanId'>> & { readonly attributes?: Attributes };

const error: Span['status'] = { code: 'error', message: 'it broke' };

/**
 * The spans of one attempt, in the order in which they are stored: each gets the next sequence id. Every method returns the
 * span's id. Clocks run backwards, so that whatever reads them is found out.
 */
export class TraceBuilder {
  readonly spans: Span[] = [];
  readonly #rolloutId: string;
  readonly #attemptId: string;
  #nextSequenceId: number;

  constructor(rolloutId = 'rollout', attemptId = 'attempt', firstSequenceId = 1) {
    this.#rolloutId = rolloutId;
    this.#attemptId = attemptId;
    this.#nextSequenceId = firstSequenceId;
  }

  add(spanId: string, kind: Span['kind'], shape: SpanShape = {}): string {
    const sequenceId = this.#nextSequenceId++;
    this.spans.push({
      spanId, kind, name: kind, traceId: 't', status: { code: 'ok' }, startTimeMs: 1e6 - sequenceId, endTimeMs: 1e6 - sequenceId,
      rolloutId: this.#rolloutId, attemptId: this.#attemptId, sequenceId, ...shape, attributes: shape.attributes ?? {},
    });
    return spanId;
  }

  /** A captured call of the policy `main`; prompt [1], response [2] unless told otherwise. */
  call(spanId: string, { responseId, prompt = [1], response = [2], ...shape }: SpanShape & { responseId?: string; prompt?: number[]; response?: number[] } = {}): string {
    return this.add(spanId, 'model_call', {
      tokens: { prompt: Int32Array.from(prompt), response: Int32Array.from(response), logprobs: new Float32Array(response.length).fill(-1) },
      ...shape,
      attributes: {
        [attributeNames.source]: 'gateway', [attributeNames.policy]: 'main', [attributeNames.policyVersion]: 3, [attributeNames.finishReasons]: ['stop'],
        ...(responseId !== undefined && { [attributeNames.responseId]: responseId }), ...shape.attributes,
      },
    });
  }

  /** A call as the framework reports it. */
  reported(spanId: string, { responseId, ...shape }: SpanShape & { responseId?: string } = {}): string {
    return this.add(spanId, 'model_call', {
      ...shape, attributes: { [attributeNames.source]: 'framework', ...(responseId !== undefined && { [attributeNames.responseId]: responseId }), ...shape.attributes },
    });
  }

  agent(spanId: string, names: readonly string[], shape: SpanShape = {}): string {
    return this.add(spanId, 'agent', { ...shape, attributes: { [attributeNames.agentNames]: names, ...shape.attributes } });
  }

  tool(spanId: string, name: string, shape: SpanShape & { failed?: boolean } = {}): string {
    const { failed, ...rest } = shape;
    return this.add(spanId, 'tool_call', { ...(failed && { status: error }), ...rest, attributes: { [attributeNames.toolName]: name, ...rest.attributes } });
  }

  reward(spanId: string, value: number, scope: Attributes = { [attributeNames.rewardScope]: 'rollout' }): string {
    return this.add(spanId, 'reward', { attributes: { [rewardNameAttribute(0)]: 'primary', [rewardValueAttribute(0)]: value, ...scope } });
  }
}

/** For a reward of one agent or one span. */
export function scopeOf(scope: 'agent' | 'span', target: string): Attributes {
  return { [attributeNames.rewardScope]: scope, [attributeNames.rewardTarget]: target };
}

export { error as brokenStatus };
