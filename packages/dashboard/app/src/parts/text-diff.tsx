import { diffWordsWithSpace } from 'diff';
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';

/** The characters of both texts together beyond which they are shown without a comparison, which would take long. */
const comparedCharacters = 60_000;

/** Shows a text with what was added and what was taken away, word by word. */
export function TextDiff({
  before = '',
  after = '',
}: {
  readonly before: string | undefined;
  readonly after: string | undefined;
}): JSX.Element {
  const parts = useMemo(
    () =>
      before.length + after.length > comparedCharacters
        ? [{ value: after, added: false, removed: false }]
        : diffWordsWithSpace(before, after),
    [before, after],
  );
  if (before === after)
    return (
      <>
        <p class="hint">The same in both.</p>
        <pre class="diff">{after}</pre>
      </>
    );
  return (
    <pre class="diff">
      {parts.map(({ value, added, removed }, index) =>
        added ? (
          <ins key={index}>{value}</ins>
        ) : removed ? (
          <del key={index}>{value}</del>
        ) : (
          <span key={index}>{value}</span>
        ),
      )}
    </pre>
  );
}
