import type { JSX } from 'preact';
import type { RunDetails } from '../../../src/api.ts';
import { formatMoment } from '../format.ts';
import { snapshot } from '../snapshot/snapshot.ts';

/** Says, in a file that holds a run, which rollouts are in it and why; nothing where a server answers. */
export function InThisFile({ details }: { readonly details: RunDetails }): JSX.Element | undefined {
  if (snapshot === undefined) return undefined;
  return (
    <section class="card">
      <h2>What is in this file</h2>
      <ul>
        <li>It shows the run as it was at {formatMoment(snapshot.madeAt)}.</li>
        {snapshot.chosen.map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
      <p class="hint">
        All of it, also while the run goes on: <code>npx agent-lightning dashboard {details.directory}</code>
      </p>
    </section>
  );
}
