import type { JSX } from 'preact';
import type { RunDetails } from '../../../src/api.ts';
import { FindingList } from '../parts/findings.tsx';

/** Shows what ails the run, each with its evidence. */
export function AlertsPage({ details }: { readonly details: RunDetails }): JSX.Element {
  const { findings, steps } = details;
  return (
    <>
      <h1>Alerts</h1>
      {findings.length === 0 ? (
        <section class="card">
          <p>
            ✓ Nothing ails this run after {steps} steps. It is looked at after each step; docs/why-no-learning.md lists
            what is looked for.
          </p>
        </section>
      ) : (
        <section class="card alert">
          <FindingList details={details} />
        </section>
      )}
    </>
  );
}
