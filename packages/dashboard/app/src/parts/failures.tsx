import type { StepMetrics } from '@agent-lightning/run';
import type { JSX } from 'preact';
import type { RunDetails } from '../../../src/api.ts';
import { formatCount, formatShare } from '../format.ts';
import { Link, pageOf } from '../router.tsx';

const kinds = [
  ['policy', 'the policy', 'they count with the failure reward'],
  ['world', 'the world', 'they say nothing about the agent, and are left out'],
  ['unknown', 'unknown', 'they count with the failure reward; the option failures sorts them'],
] as const;

/** Counts the failed training rollouts of a run by who caused them, and by code. */
export function Failures({
  details,
  metrics,
}: {
  readonly details: RunDetails;
  readonly metrics: readonly StepMetrics[];
}): JSX.Element {
  const rollouts = metrics.reduce((sum, line) => sum + line.rollouts, 0);
  const byCode = new Map<string, number>();
  for (const { failures } of metrics)
    for (const [code, count] of Object.entries(failures)) byCode.set(code, (byCode.get(code) ?? 0) + count);
  const byKind = kinds.map(([kind, name, meaning]) => ({
    name,
    meaning,
    count: metrics.reduce((sum, { failureKinds }) => sum + (failureKinds?.[kind] ?? 0), 0),
  }));
  if (byCode.size === 0)
    return (
      <section class="card">
        <h2>Failures</h2>
        <p class="hint">✓ None of the {formatCount(rollouts)} training rollouts failed.</p>
      </section>
    );
  const link = (code: string, text: string): JSX.Element | string =>
    details.hasStore ? (
      <Link to={pageOf(['runs', details.id, 'rollouts'], { failure: code, mode: 'train' })}>{text}</Link>
    ) : (
      text
    );
  return (
    <section class="card">
      <h2>Failures</h2>
      <div class="columns">
        <table>
          <thead>
            <tr>
              <th>caused by</th>
              <th class="n">rollouts</th>
              <th>what becomes of them</th>
            </tr>
          </thead>
          <tbody>
            {byKind.map(({ name, count, meaning }) => (
              <tr key={name} class={count === 0 ? 'faint' : ''}>
                <td>{name}</td>
                <td class="n">{formatCount(count)}</td>
                <td>{meaning}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <table>
          <thead>
            <tr>
              <th>code</th>
              <th class="n">rollouts</th>
              <th class="n">share</th>
            </tr>
          </thead>
          <tbody>
            {[...byCode]
              .toSorted((a, b) => b[1] - a[1])
              .map(([code, count]) => (
                <tr key={code}>
                  <td>{link(code, code)}</td>
                  <td class="n">{link(code, formatCount(count))}</td>
                  <td class="n">{formatShare(count / rollouts)}</td>
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
