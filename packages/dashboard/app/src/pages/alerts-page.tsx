import type { JSX } from 'preact';
import type { RunDetails } from '../../../src/api.ts';
import { useMetrics } from '../charts/read-metrics.ts';
import { changes } from '../fetch.ts';
import { countOf } from '../format.ts';
import { findAlerts } from '../parts/find-alerts.ts';
import { EvidenceLinks, FindingList } from '../parts/findings.tsx';

/** Shows what ails the run, and what else to look at in its newest steps, each with its evidence. */
export function AlertsPage({ details }: { readonly details: RunDetails }): JSX.Element {
  const { findings, steps } = details;
  const alerts = findAlerts(details, useMetrics(details, changes.run.value) ?? []);
  return (
    <>
      <h1>Alerts</h1>
      {findings.length === 0 ? (
        <section class="card">
          <p>
            {alerts.length === 0 ? '✓ Nothing ails this run' : 'None of the known ailments was found'} after{' '}
            {countOf(steps, 'step')}. It is looked at after each step; docs/why-no-learning.md lists what is looked for.
          </p>
        </section>
      ) : (
        <section class="card alert">
          <FindingList details={details} />
        </section>
      )}
      {alerts.length === 0 ? undefined : (
        <section class="card">
          <h2>In the newest steps</h2>
          <ul class="findings">
            {alerts.map(({ title, text, links }) => (
              <li key={title}>
                <p>
                  <b>{title}</b>
                </p>
                <p class="message">{text}</p>
                <EvidenceLinks links={links} />
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}
