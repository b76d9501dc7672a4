import { attributeNames } from '../vocabulary/attributes.ts';
import type { Attributes, Span } from '../vocabulary/span.ts';

/** The attributes that only the first span of a call with several choices has. */
const shared = [
  attributeNames.inputMessages,
  attributeNames.toolDefinitions,
  attributeNames.requestStopSequences,
] as const;

/**
 * Returns the spans with the prompts that they share: a call with several choices is a span for each of them, and only the first
 * holds the messages, the tools, the texts to stop at and the prompt's token ids. A span whose first one is not among them stays as it is.
 */
export function withSharedPrompts(spans: readonly Span[]): readonly Span[] {
  if (!spans.some((span) => promptSpanOf(span) !== undefined)) return spans;
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  return spans.map((span) => {
    const first = byId.get(promptSpanOf(span) ?? '');
    return first === undefined ? span : withPrompt(span, first);
  });
}

function promptSpanOf({ attributes }: Span): string | undefined {
  const id = attributes[attributeNames.promptSpan];
  return typeof id === 'string' ? id : undefined;
}

function withPrompt(span: Span, first: Span): Span {
  const found: Attributes = Object.fromEntries(
    shared.flatMap((name) => {
      const value = first.attributes[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const { tokens } = span;
  const prompt = first.tokens?.prompt;
  return {
    ...span,
    attributes: { ...found, ...span.attributes },
    ...(tokens !== undefined && tokens.prompt.length === 0 && prompt !== undefined
      ? { tokens: { ...tokens, prompt } }
      : {}),
  };
}
