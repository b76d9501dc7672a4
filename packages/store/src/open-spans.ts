import type { SpanInput } from '@agent-lightning/core';

/** Tells whether `span` replaces the one that its id has: the first end of an open one does, so that nothing that comes twice changes anything. */
export function endsOpenSpan(span: Pick<SpanInput, 'isOpen'>, known: Pick<SpanInput, 'isOpen'>): boolean {
  return known.isOpen === true && span.isOpen !== true;
}
