import type { JSX } from 'preact';
import type { RolloutDetails } from '../../../src/api.ts';

/** Shows a rollout as it is stored, as JSON. */
export function Raw({ data }: { readonly data: RolloutDetails }): JSX.Element {
  const { rollout, attempts, spans } = data;
  const text = JSON.stringify({ rollout, attempts, spans }, undefined, 2);
  return (
    <div class="card">
      <div class="head">
        <p class="hint">
          The tokens are on the page Tokens; agent-lightning store export writes everything as JSON lines.
        </p>
        <button type="button" class="quiet" onClick={() => void navigator.clipboard.writeText(text)}>
          Copy
        </button>
      </div>
      <pre class="raw" tabIndex={0}>
        {text}
      </pre>
    </div>
  );
}
