import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { SpanRow } from '../../../src/api.ts';
import { formatCount, formatSeconds } from '../format.ts';
import { Empty } from './messages.tsx';

/** Shows the spans of a rollout in time, each below its parent; a span that is opened shows its attributes. */
export function Waterfall({ spans }: { readonly spans: readonly SpanRow[] }): JSX.Element {
  const [open, setOpen] = useState<string>();
  if (spans.length === 0) return <Empty>No span was written for this rollout’s newest attempt.</Empty>;
  const end = spans.reduce((latest, { startMs, durationMs }) => Math.max(latest, startMs + durationMs), 0) || 1;
  return (
    <div class="card waterfall">
      <p class="hint">
        {spans.length} spans in {formatSeconds(end / 1_000)}. Open one to read its attributes.
      </p>
      <ul>
        {spans.map((span, index) => (
          <li key={`${span.id}${index}`}>
            <button
              type="button"
              class="span"
              aria-expanded={open === span.id}
              onClick={() => setOpen(open === span.id ? undefined : span.id)}
            >
              <span class="label" style={{ paddingLeft: `${Math.min(span.depth, 12) * 14}px` }}>
                <span class={`kind ${span.kind}`}>{span.kind.replace('_', ' ')}</span>{' '}
                <span class="name">{span.name}</span>
                {span.status === 'error' ? <span class="bad"> ✕</span> : ''}
                {span.isOpen ? <span class="live"> ▶ open</span> : ''}
              </span>
              <span class="track">
                <span
                  class={`bar ${span.kind}${span.status === 'error' ? ' error' : ''}`}
                  style={{
                    left: `${(span.startMs / end) * 100}%`,
                    width: `${Math.max(0.4, (span.durationMs / end) * 100)}%`,
                  }}
                />
              </span>
              <span class="time">
                {formatSeconds(span.durationMs / 1_000)}
                {span.outputTokens === undefined ? (
                  ''
                ) : (
                  <small>
                    {' '}
                    {formatCount(span.inputTokens ?? 0)} → {formatCount(span.outputTokens)} tokens
                  </small>
                )}
              </span>
            </button>
            {open === span.id ? <Attributes span={span} /> : undefined}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Attributes({ span }: { readonly span: SpanRow }): JSX.Element {
  const rows = Object.entries(span.attributes);
  return (
    <dl class="options attributes">
      <div>
        <dt>span</dt>
        <dd>{span.id}</dd>
      </div>
      {span.message === undefined ? undefined : (
        <div>
          <dt>message</dt>
          <dd>{span.message}</dd>
        </div>
      )}
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <pre>{typeof value === 'string' ? prettify(value) : JSON.stringify(value)}</pre>
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** Returns JSON with line breaks; any other text as it is. */
function prettify(text: string): string {
  if (!/^[[{]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    return text;
  }
}
