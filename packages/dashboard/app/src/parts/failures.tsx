import type { StepMetrics } from '@agent-lightning/run';
import type { JSX } from 'preact';
import type { RunDetails, RunExamples } from '../../../src/api.ts';
import { countOf, formatCount, formatShare } from '../format.ts';
import { Link, pageOf } from '../router.tsx';
import { Waiting } from './messages.tsx';
import { ToldTable } from './told.tsx';

const kinds = [
  ['policy', 'the policy', 'they count with the failure reward'],
  ['world', 'the world', 'they say nothing about the agent, and are left out'],
  ['unknown', 'unknown', 'they count with the failure reward; the option failures sorts them'],
] as const;

interface Props {
  readonly details: RunDetails;
  readonly metrics: readonly StepMetrics[];
  readonly failures: RunExamples['failures'];
  /** True while the failures are not known yet. */
  readonly isReading: boolean;
}

/** Counts the failed training rollouts of a run by who caused them and by code, and shows some of each with what the model said. */
export function Failures({ details, metrics, failures, isReading }: Props): JSX.Element | undefined {
  const rollouts = metrics.reduce((sum, line) => sum + line.rollouts, 0);
  const byCode = countByCode(metrics);
  if (byCode.size === 0 && failures.length === 0)
    return rollouts === 0 ? undefined : (
      <section class="card">
        <h2>Failures</h2>
        <p class="hint">✓ None of the {formatCount(rollouts)} training rollouts failed.</p>
      </section>
    );
  return (
    <section class="card">
      <h2>Failures</h2>
      {byCode.size === 0 ? (
        <p class="hint">No step is done yet, so these are not counted; they failed all the same.</p>
      ) : (
        <div class="columns">
          <Kinds metrics={metrics} />
          <Codes details={details} byCode={byCode} rollouts={rollouts} />
        </div>
      )}
      {isReading ? <Waiting /> : undefined}
      {failures.map(({ code, kind, count, items }, index) => (
        <details class="section" key={`${kind} ${code}`} open={index === 0}>
          <summary>
            <h3>✕ {code}</h3>{' '}
            <span class="about">
              {countOf(count, 'rollout')}, {causes[kind]}
            </span>
          </summary>
          <p class="hint">The newest ones, with what the model said last, and the error.</p>
          <ToldTable run={details.id} items={items} />
        </details>
      ))}
    </section>
  );
}

const causes = { policy: 'caused by the policy', world: 'caused by the world', unknown: 'cause not known' } as const;

function countByCode(metrics: readonly StepMetrics[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { failures } of metrics)
    for (const [code, count] of Object.entries(failures)) counts.set(code, (counts.get(code) ?? 0) + count);
  return new Map([...counts].toSorted((a, b) => b[1] - a[1]));
}

function Kinds({ metrics }: Pick<Props, 'metrics'>): JSX.Element {
  const counts = kinds.map(([kind, name, meaning]) => ({
    name,
    meaning,
    count: metrics.reduce((sum, { failureKinds }) => sum + (failureKinds?.[kind] ?? 0), 0),
  }));
  return (
    <table>
      <thead>
        <tr>
          <th>caused by</th>
          <th class="n">rollouts</th>
          <th>what becomes of them</th>
        </tr>
      </thead>
      <tbody>
        {counts.map(({ name, count, meaning }) => (
          <tr key={name} class={count === 0 ? 'faint' : ''}>
            <td>{name}</td>
            <td class="n">{formatCount(count)}</td>
            <td>{meaning}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Codes({
  details,
  byCode,
  rollouts,
}: {
  readonly details: RunDetails;
  readonly byCode: ReadonlyMap<string, number>;
  readonly rollouts: number;
}): JSX.Element {
  const link = (code: string, text: string): JSX.Element | string =>
    details.hasStore ? (
      <Link to={pageOf(['runs', details.id, 'rollouts'], { failure: code, mode: 'train' })}>{text}</Link>
    ) : (
      text
    );
  return (
    <table>
      <thead>
        <tr>
          <th>code</th>
          <th class="n">rollouts</th>
          <th class="n">share</th>
        </tr>
      </thead>
      <tbody>
        {[...byCode].map(([code, count]) => (
          <tr key={code}>
            <td>{link(code, code)}</td>
            <td class="n">{link(code, formatCount(count))}</td>
            <td class="n">{formatShare(count / rollouts)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
