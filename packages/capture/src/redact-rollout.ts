import {
  ConfigurationError,
  attributeNames,
  type JsonValue,
  type AttributeValue,
  type Attributes,
  type SpanInput,
} from '@agent-lightning/core';
import type { Redact, RedactedText } from './capture-options.ts';
import type { CapturedRollout } from './captured-rollout.ts';

/** Attributes that machines made and match by: ids and closed lists of words, never texts of a user. */
const structural: ReadonlySet<string> = new Set<string>([
  attributeNames.source,
  attributeNames.responseId,
  attributeNames.promptSpan,
  attributeNames.finishReasons,
  attributeNames.rewardScope,
  attributeNames.rewardTarget,
]);

/** Names that this project and OpenTelemetry gave; others came from the user, as keys of nested attributes. */
const knownName = /^(agentlightning|gen_ai|exception|error|process)\./;

/** Returns the rollout as it may be written. @throws what `redact` throws; ConfigurationError `option-invalid` when it returns no text */
export function redactRollout(rollout: CapturedRollout, redact: Redact): CapturedRollout {
  const redactor = new Redactor(redact);
  const { failure } = rollout;
  return {
    ...rollout,
    input: redactor.json(rollout.input, { part: 'input' }),
    metadata: redactor.json(rollout.metadata, { part: 'metadata' }) as CapturedRollout['metadata'],
    spans: redactSpans(rollout.spans, redact),
    ...(failure !== undefined && {
      failure: { code: failure.code, message: redactor.text(failure.message, { part: 'failure' }) },
    }),
  };
}

/** Returns a reward that came later with its feedback redacted: the one text of a user in it. @throws as {@link redactRollout} does */
export function redactFeedback(reward: SpanInput, redact: Redact): SpanInput {
  const name = attributeNames.rewardFeedback;
  const feedback = reward.attributes[name];
  if (feedback === undefined) return reward;
  const redacted = new Redactor(redact).value(feedback, { part: 'span', field: name });
  return { ...reward, attributes: { ...reward.attributes, [name]: redacted } };
}

function redactSpans(spans: readonly SpanInput[], redact: Redact): readonly SpanInput[] {
  const redacted = spans.map((span) => redactSpan(span, redact));
  const byId = new Map(redacted.map((each) => [each.given.spanId, each]));
  return redacted.map((own) => {
    const span = own.given;
    if (span.tokens === undefined) return own.span;
    // The other choices of a call have their prompt in the span of the first.
    const prompt = byId.get(String(span.attributes[attributeNames.promptSpan])) ?? own;
    // Without its messages it cannot be known what the tokens spell.
    const isKnown = hasList(prompt.given, attributeNames.inputMessages) && hasList(span, attributeNames.outputMessages);
    if (!own.isChanged && !prompt.isChanged && isKnown) return { ...own.span, tokens: span.tokens };
    const untrainable = { [attributeNames.untrainable]: 'redacted: the tokens would spell what was removed' };
    return { ...own.span, attributes: { ...own.span.attributes, ...untrainable } };
  });
}

/** A span without its tokens. */
interface RedactedSpan {
  readonly given: SpanInput;
  readonly span: SpanInput;
  readonly isChanged: boolean;
}

function redactSpan(span: SpanInput, redact: Redact): RedactedSpan {
  const redactor = new Redactor(redact);
  const { message } = span.status;
  const { tokens: _tokens, ...rest } = span;
  const redacted: SpanInput = {
    ...rest,
    name: redactor.text(span.name, { part: 'span', field: 'name' }),
    status: {
      code: span.status.code,
      ...(message !== undefined && { message: redactor.text(message, { part: 'span', field: 'status' }) }),
    },
    attributes: redactAttributes(span.attributes, redactor),
  };
  return { given: span, span: redacted, isChanged: redactor.changed };
}

function redactAttributes(attributes: Attributes, redactor: Redactor): Attributes {
  const redacted: Record<string, AttributeValue> = {};
  for (const [name, value] of Object.entries(attributes)) {
    const where: RedactedText = { part: 'span', field: name };
    const key = knownName.test(name) ? name : redactor.text(name, where);
    redacted[key] = structural.has(name) ? value : redactor.value(value, where);
  }
  return redacted;
}

function hasList({ attributes }: SpanInput, name: string): boolean {
  const text = attributes[name];
  return typeof text === 'string' && parseJson(text) !== undefined;
}

/** Applies the user's function to every text of a value, and knows whether any of them changed. */
class Redactor {
  changed = false;
  readonly #redact: Redact;

  constructor(redact: Redact) {
    this.#redact = redact;
  }

  /** Redacts a text. Where it holds JSON, as messages and tool arguments do, the texts inside are redacted, which have no escapes. */
  text(text: string, where: RedactedText): string {
    const json = parseJson(text);
    if (json === undefined) return this.#apply(text, where);
    const before = this.changed;
    this.changed = false;
    const redacted = this.json(json, where);
    const result = this.changed ? JSON.stringify(redacted) : text;
    this.changed ||= before;
    return result;
  }

  json(value: JsonValue, where: RedactedText): JsonValue {
    if (typeof value === 'string') return this.text(value, where);
    if (typeof value === 'number') return this.#number(value, where);
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((item: JsonValue) => this.json(item, where));
    const entries = Object.entries(value).map(([key, item]) => [this.text(key, where), this.json(item, where)]);
    return Object.fromEntries(entries) as JsonValue;
  }

  value(value: AttributeValue, where: RedactedText): AttributeValue {
    if (typeof value === 'string') return this.text(value, where);
    if (!Array.isArray(value)) return value;
    return value.map((item: string | number | boolean) =>
      typeof item === 'string' ? this.text(item, where) : item,
    ) as AttributeValue;
  }

  /** Redacts a number, such as that of a card. It stays a number unless its digits are redacted. */
  #number(value: number, where: RedactedText): number | string {
    const digits = String(value);
    const redacted = this.#apply(digits, where);
    return redacted === digits ? value : redacted;
  }

  #apply(text: string, where: RedactedText): string {
    const redacted: unknown = this.#redact(text, where);
    if (typeof redacted !== 'string')
      throw new ConfigurationError(`captureRollouts: redact must return a text; it returned ${typeof redacted}`, {
        code: 'option-invalid',
      });
    if (redacted !== text) this.changed = true;
    return redacted;
  }
}

/** Returns the object or list that a text holds; undefined for any other text. */
function parseJson(text: string): JsonValue | undefined {
  const first = text.trimStart()[0];
  if (first !== '{' && first !== '[') return undefined;
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined; // a text that only begins like JSON is redacted as a text
  }
}
