import { attributeNames, type SpanInput } from '@agent-lightning/core';
import { startTestRollout, type TestRollout } from '@agent-lightning/testing';

/** A rollout whose trace can be read as text. */
export interface OutlinedRollout extends TestRollout {
  /** One line a span, children indented, in the order in which they began. */
  outline(): Promise<readonly string[]>;
}

/** Starts a rollout; without a `baseUrl` it has no policy. */
export function startRollout(baseUrl?: string): OutlinedRollout {
  const rollout = startTestRollout(baseUrl);
  return {
    ...rollout,
    outline: async () => {
      const spans = await rollout.spans();
      return outlineOf(
        spans.toSorted((a, b) => a.startTimeMs - b.startTimeMs),
        undefined,
        '',
      );
    },
  };
}

function outlineOf(spans: readonly SpanInput[], parent: string | undefined, indent: string): string[] {
  return spans
    .filter((span) => span.parentSpanId === parent)
    .flatMap((span) => [`${indent}${lineOf(span)}`, ...outlineOf(spans, span.spanId, `${indent}  `)]);
}

function lineOf({ kind, name, attributes, status }: SpanInput): string {
  const read = (attribute: string): string => String(attributes[attribute] ?? '-');
  const text =
    kind === 'model_call'
      ? read(attributeNames.responseId)
      : kind === 'tool_call'
        ? `${name} ${read(attributeNames.toolArguments)} → ${read(attributeNames.toolResult)}`
        : kind === 'message'
          ? read(attributeNames.messageBody)
          : name;
  return `${kind} ${text}${status.code === 'error' ? ' ! error' : ''}`;
}
