import type { RolloutView, ViewEntry } from '@agent-lightning/report';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Empty } from './messages.tsx';

/** The characters of a text that are shown at first. */
const shownCharacters = 4_000;

/** Shows a rollout as a conversation: messages, tools, errors, and what of each call can be trained on. */
export function Conversation({ view }: { readonly view: RolloutView }): JSX.Element {
  if (view.entries.length === 0 && view.console === undefined)
    return <Empty>Nothing was written down of this rollout’s newest attempt.</Empty>;
  return (
    <ol class="conversation">
      {view.entries.map((entry, index) => (
        <Entry key={index} entry={entry} />
      ))}
      {view.console === undefined ? undefined : (
        <Entry entry={{ type: 'emitted', name: 'console', text: view.console }} />
      )}
    </ol>
  );
}

/** Shows one thing that happened. */
export function Entry({
  entry,
  isDifferent = false,
}: {
  readonly entry: ViewEntry;
  readonly isDifferent?: boolean;
}): JSX.Element {
  const mark = isDifferent ? ' different' : '';
  switch (entry.type) {
    case 'message':
      return (
        <li class={`entry message ${roleClass(entry.role)}${mark}`}>
          <p class="who">
            {entry.role}
            {entry.role === 'assistant' && entry.agentName !== '' ? (
              <span class="agent">{entry.agentName}</span>
            ) : undefined}
          </p>
          {entry.text === '' && entry.toolCalls.length > 0 ? undefined : (
            <Text text={entry.text === '' ? '(empty)' : entry.text} />
          )}
          {entry.toolCalls.map((call, index) => (
            <p class="call" key={index}>
              <span class="label">calls</span> <code>{call}</code>
            </p>
          ))}
        </li>
      );
    case 'call':
      return <li class={`entry note${mark}`}>{entry.training}</li>;
    case 'tool':
      return (
        <li class={`entry message tool${mark}`}>
          <p class="who">tool {entry.name}</p>
          <Text text={`${entry.input} → ${entry.output}`} />
        </li>
      );
    case 'error':
      return (
        <li class={`entry message error${mark}`}>
          <p class="who">✕ {entry.name}</p>
          <Text text={entry.text} />
        </li>
      );
    case 'emitted':
      return (
        <li class={`entry message emitted${mark}`}>
          <p class="who">{entry.name}</p>
          <Text text={entry.text} />
        </li>
      );
  }
}

function roleClass(role: string): string {
  return ['system', 'user', 'assistant', 'tool', 'developer'].includes(role) ? role : 'other';
}

/** Shows a text as it is; a long one is cut until the reader asks for the whole. */
function Text({ text }: { readonly text: string }): JSX.Element {
  const [isWhole, setIsWhole] = useState(false);
  const missing = text.length - shownCharacters;
  if (missing <= 0 || isWhole) return <pre class="text">{text}</pre>;
  return (
    <>
      <pre class="text">{text.slice(0, shownCharacters).toWellFormed()}…</pre>
      <button type="button" class="quiet" onClick={() => setIsWhole(true)}>
        {missing.toLocaleString('en')} more characters
      </button>
    </>
  );
}
