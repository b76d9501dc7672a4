import type { StepMetrics } from '@agent-lightning/run';
import type { JSX } from 'preact';
import type { RunDetails } from '../../../src/api.ts';
import { readNumber } from '../charts/read-metrics.ts';
import { formatNumber } from '../format.ts';
import { Link, pageOf } from '../router.tsx';

/** The columns of every run; one that no step has is left out. */
const columns: readonly (readonly [name: string, path: string])[] = [
  ['reward', 'reward.mean'],
  ['held-out', 'validation.reward'],
  ['succeeded', 'succeeded'],
  ['failed', 'failed'],
  ['calls', 'transitions'],
  ['samples', 'samples'],
  ['tokens trained', 'tokensTrained'],
  ['seconds', 'wallSeconds'],
];

/** The most steps in the table: the newest ones. */
const mostSteps = 500;

/** Writes the figures of each step as a table, folded; the figures that the algorithm draws are its last columns. */
export function StepTable({
  details,
  metrics,
}: {
  readonly details: RunDetails;
  readonly metrics: readonly StepMetrics[];
}): JSX.Element {
  const own = details.charts.flatMap(({ lines }) => lines.map(([, path]) => [path, path] as const));
  const shown = [...columns, ...own].filter(([, path]) =>
    metrics.some((line) => readNumber(line, path.split('.')) !== undefined),
  );
  const lines = metrics.slice(-mostSteps).toReversed();
  return (
    <details class="card">
      <summary>
        <h2>{metrics.length > mostSteps ? `The newest ${mostSteps} steps` : 'All steps'} as a table</h2>
      </summary>
      <div class="scroll" tabIndex={0} role="group" aria-label="Figures of the steps">
        <table class="fits">
          <thead>
            <tr>
              <th class="n">step</th>
              {shown.map(([name, path]) => (
                <th class="n" key={path}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {lines.map((line) => (
              <tr key={line.step}>
                <td class="n">
                  {details.hasStore ? (
                    <Link to={pageOf(['runs', details.id, 'rollouts'], { steps: line.step })}>{line.step}</Link>
                  ) : (
                    line.step
                  )}
                </td>
                {shown.map(([, path]) => (
                  <td class="n" key={path}>
                    {formatNumber(readNumber(line, path.split('.')))}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
