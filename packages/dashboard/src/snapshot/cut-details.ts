import type { RolloutView, ViewEntry } from '@agent-lightning/report';
import type { RolloutDetails, SpanRow } from '../api.ts';

/** The most characters of one text of the conversation, and of one attribute of a span, in a snapshot; the store has the whole ones. */
const textCharacters = 8_000;
const attributeCharacters = 1_000;

/** Returns a rollout with its long texts cut, each with the number of characters that are left out. */
export function cutDetails(details: RolloutDetails): RolloutDetails {
  return { ...details, view: cutView(details.view), spans: details.spans.map(cutSpan) };
}

function cutView(view: RolloutView): RolloutView {
  return {
    ...view,
    console: view.console === undefined ? undefined : cut(view.console, textCharacters),
    entries: view.entries.map(cutEntry),
  };
}

function cutEntry(entry: ViewEntry): ViewEntry {
  switch (entry.type) {
    case 'call':
      return entry;
    case 'tool':
      return { ...entry, input: cut(entry.input, textCharacters), output: cut(entry.output, textCharacters) };
    case 'message':
      return {
        ...entry,
        text: cut(entry.text, textCharacters),
        toolCalls: entry.toolCalls.map((call) => cut(call, textCharacters)),
      };
    case 'error':
    case 'emitted':
      return { ...entry, text: cut(entry.text, textCharacters) };
  }
}

function cutSpan(span: SpanRow): SpanRow {
  const attributes = Object.entries(span.attributes).map(([name, value]) => [
    name,
    typeof value === 'string' ? cut(value, attributeCharacters) : value,
  ]);
  return { ...span, attributes: Object.fromEntries(attributes) as SpanRow['attributes'] };
}

function cut(text: string, limit: number): string {
  const missing = text.length - limit;
  return missing <= 0 ? text : `${text.slice(0, limit).toWellFormed()}… [${missing} more characters]`;
}
