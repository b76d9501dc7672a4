import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { RunList, RunSummary } from '../../../src/api.ts';
import { StepChart, type ChartLine } from '../charts/step-chart.tsx';
import { changes, useResource } from '../fetch.ts';
import { countOf, formatMoment, formatNumber, formatSeconds } from '../format.ts';
import { StateBadge } from '../parts/badges.tsx';
import { Empty, Problem, Waiting } from '../parts/messages.tsx';
import { Link, navigate, pageOf, place, setQuery } from '../router.tsx';

/** The most runs whose curves are drawn together: each has a colour and a dash of its own. */
const mostCompared = 6;

/** Shows the runs of the source, and the curves of those that are chosen. */
export function RunsPage(): JSX.Element {
  const { data, error } = useResource<RunList>('/api/runs', changes.runs.value);
  const [measure, setMeasure] = useState<'validation' | 'reward'>('reward');
  if (error !== undefined) return <Problem title="The runs cannot be read" text={error} />;
  if (data === undefined) return <Waiting />;
  if (data.runs.length === 1) {
    navigate(pageOf(['runs', data.runs[0]!.id]), { replace: true });
    return <Waiting />;
  }
  const named = place.value.query.get('runs')?.split(',') ?? [];
  const chosen = data.runs
    .filter(({ id, curve }) => curve.length > 0 && (named.length === 0 || named.includes(id)))
    .slice(0, mostCompared);
  const toggle = (id: string): void => {
    const ids = chosen.map((run) => run.id);
    const next = ids.includes(id) ? ids.filter((other) => other !== id) : [...ids, id];
    setQuery({ runs: next.slice(-mostCompared).join(',') });
  };
  return (
    <>
      <h1>Runs</h1>
      <p class="lead">
        {countOf(data.runs.length, 'run')} in <code>{data.source}</code>
      </p>
      {data.runs.length === 0 ? <Empty>There is no run yet. One appears here as soon as it begins.</Empty> : undefined}
      {chosen.length > 0 ? (
        <section class="card">
          <div class="head">
            <h2>{measure === 'reward' ? 'Reward in training' : 'Reward on held-out tasks'}</h2>
            <fieldset class="choice">
              <legend class="reader">Curve</legend>
              {(['reward', 'validation'] as const).map((name) => (
                <button key={name} type="button" aria-pressed={measure === name} onClick={() => setMeasure(name)}>
                  {name === 'reward' ? 'training' : 'held-out'}
                </button>
              ))}
            </fieldset>
          </div>
          <Curves runs={chosen} measure={measure} />
        </section>
      ) : undefined}
      <RunTable runs={data.runs} chosen={chosen.map(({ id }) => id)} toggle={toggle} />
    </>
  );
}

function Curves({
  runs,
  measure,
}: {
  readonly runs: readonly RunSummary[];
  readonly measure: 'validation' | 'reward';
}): JSX.Element {
  const steps = [...new Set(runs.flatMap(({ curve }) => curve.map(({ step }) => step)))].toSorted((a, b) => a - b);
  const [interval, choosePart] = useState<readonly [first: number, last: number]>();
  const readable = runs.filter(({ hasStore }) => hasStore);
  const shown = interval === undefined ? '' : interval[0] === interval[1] ? String(interval[0]) : interval.join('-');
  const rolloutsOf = (id: string, between: string): string =>
    pageOf(['runs', id, 'rollouts'], { steps: between, mode: measure === 'validation' ? 'val' : 'train' });
  const choose = (first: number, last: number): void => {
    if (readable.length === 1)
      navigate(rolloutsOf(readable[0]!.id, first === last ? String(first) : `${first}-${last}`));
    else choosePart([first, last]);
  };
  const lines = runs.map(({ id, curve }): ChartLine => {
    const points = new Map(curve.map((point) => [point.step, point]));
    return {
      name: id,
      values: steps.map((step) => points.get(step)?.[measure] ?? null),
      ...(measure === 'validation' && { intervals: steps.map((step) => points.get(step)?.interval ?? null) }),
    };
  });
  return (
    <>
      <StepChart
        label={`${measure === 'reward' ? 'Reward in training' : 'Held-out reward'} of ${runs.map(({ id }) => id).join(', ')}`}
        steps={steps}
        lines={lines}
        height={260}
        onChoose={readable.length === 0 ? undefined : choose}
      />
      {readable.length === 0 ? undefined : (
        <p class="hint evidence" role="status">
          {interval === undefined
            ? 'Click a step, or drag over some, to get to the rollouts of those steps.'
            : `Rollouts of ${interval[0] === interval[1] ? 'step' : 'steps'} ${shown}:`}
          {interval === undefined
            ? undefined
            : readable.map(({ id }) => (
                <Link key={id} to={rolloutsOf(id, shown)}>
                  {id}
                </Link>
              ))}
        </p>
      )}
    </>
  );
}

function RunTable({
  runs,
  chosen,
  toggle,
}: {
  readonly runs: readonly RunSummary[];
  readonly chosen: readonly string[];
  readonly toggle: (id: string) => void;
}): JSX.Element {
  return (
    <div class="card scroll">
      <table>
        <thead>
          <tr>
            <th>
              <span class="reader">compare</span>
            </th>
            <th>run</th>
            <th>state</th>
            <th>algorithm</th>
            <th class="n">steps</th>
            <th class="n">rollouts</th>
            <th class="n">failed</th>
            <th class="n">reward, first → last</th>
            <th class="n">held-out</th>
            <th class="n">time</th>
            <th>begun</th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr key={run.id}>
              <td>
                <input
                  type="checkbox"
                  aria-label={`compare ${run.id}`}
                  checked={chosen.includes(run.id)}
                  disabled={run.curve.length === 0}
                  onChange={() => toggle(run.id)}
                />
              </td>
              <td>
                <Link to={pageOf(['runs', run.id])}>{run.id}</Link>
                {run.ailments.length === 0 ? undefined : (
                  <>
                    {' '}
                    <Link to={pageOf(['runs', run.id, 'alerts'])} class="badge warn">
                      ! {run.ailments.length}
                      <span class="reader"> alerts</span>
                    </Link>
                  </>
                )}
              </td>
              <td>
                <StateBadge run={run} />
                {run.problem === undefined ? undefined : <span class="badge warn">! {run.problem}</span>}
              </td>
              <td>{[run.algorithm, run.backend].filter((name) => name !== undefined).join(', ') || '–'}</td>
              <td class="n">{run.steps}</td>
              <td class="n">{run.rollouts.toLocaleString('en')}</td>
              <td class="n">
                {run.failed === 0 ? (
                  '0'
                ) : (
                  <Link to={pageOf(['runs', run.id, 'rollouts'], { status: 'failed' })}>{run.failed}</Link>
                )}
              </td>
              <td class="n">
                {formatNumber(run.curve[0]?.reward)} → {formatNumber(run.curve.at(-1)?.reward)}
              </td>
              <td class="n">
                {formatNumber(run.curve.findLast(({ validation }) => validation !== undefined)?.validation)}
              </td>
              <td class="n">{formatSeconds(run.wallSeconds)}</td>
              <td>{formatMoment(run.startedAt)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
