import type { StepMetrics } from '@agent-lightning/run';
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import type { RunDetails } from '../../../src/api.ts';
import { useMetrics } from '../charts/read-metrics.ts';
import { StepChart, type ChartLine } from '../charts/step-chart.tsx';
import { Timeline } from '../charts/timeline.tsx';
import { changes } from '../fetch.ts';
import { formatCount, formatMoment, formatNumber, formatSeconds, formatShare } from '../format.ts';
import { FindingList } from '../parts/findings.tsx';
import { Failures } from '../parts/failures.tsx';
import { Figure } from '../parts/figure.tsx';
import { MetricList } from '../parts/metric-list.tsx';
import { Empty, Waiting } from '../parts/messages.tsx';
import { Link, navigate, pageOf } from '../router.tsx';

/** Shows how a run goes: its main figures, the learning curve, who waits for whom, failures, and every metric. */
export function RunPage({ details }: { readonly details: RunDetails }): JSX.Element {
  const metrics = useMetrics(details, changes.run.value);
  const choose = details.hasStore
    ? (first: number, last: number): void =>
        navigate(pageOf(['runs', details.id, 'rollouts'], { steps: first === last ? first : `${first}-${last}` }))
    : undefined;
  if (details.state === 'store') return <StoreOverview details={details} />;
  return (
    <>
      <h1 class="reader">Overview of {details.id}</h1>
      <Figures details={details} metrics={metrics} />
      {details.state === 'ended' && !['completed', 'converged', undefined].includes(details.outcome) ? (
        <section class="card problem">
          <h2>Why it ended</h2>
          <p class="outcome">{details.outcome}</p>
        </section>
      ) : undefined}
      {details.findings.length === 0 ? undefined : (
        <section class="card alert">
          <h2>What to look at first</h2>
          <FindingList details={details} />
        </section>
      )}
      {metrics === undefined ? (
        <Waiting />
      ) : metrics.length === 0 ? (
        <NoSteps details={details} />
      ) : (
        <>
          <section class="card">
            <div class="head">
              <h2>Reward</h2>
              {choose === undefined ? undefined : (
                <p class="hint">Click a step, or drag over some: their rollouts are shown.</p>
              )}
            </div>
            <RewardChart details={details} metrics={metrics} choose={choose} />
          </section>
          <section class="card">
            <h2>Who waits for whom</h2>
            <Timeline metrics={metrics} onChoose={choose} />
          </section>
          <Failures details={details} metrics={metrics} />
          <MetricList metrics={metrics} choose={choose} />
        </>
      )}
      <Options details={details} />
    </>
  );
}

function NoSteps({ details }: { readonly details: RunDetails }): JSX.Element {
  const where = details.hasStore ? (
    <Link to={pageOf(['runs', details.id, 'rollouts'])}>Its rollouts</Link>
  ) : (
    'Its rollouts'
  );
  return (
    <Empty>
      No step is done{details.state === 'running' ? ' yet' : ''}. {where} can be there all the same
      {details.state === 'running' ? ', and the curves begin with the first step' : ''}.
    </Empty>
  );
}

function StoreOverview({ details }: { readonly details: RunDetails }): JSX.Element {
  return (
    <>
      <h1>{details.directory}</h1>
      <p class="lead">
        A store alone has rollouts and no metrics: those are in the run directory that trained with it.
      </p>
      <div class="figures">
        <Figure name="rollouts" to={pageOf(['runs', details.id, 'rollouts'])}>
          {formatCount(details.rollouts)}
        </Figure>
        <Figure name="failed" to={pageOf(['runs', details.id, 'rollouts'], { status: 'failed' })}>
          {formatCount(details.failed)}
        </Figure>
      </div>
    </>
  );
}

function Figures({
  details,
  metrics,
}: {
  readonly details: RunDetails;
  readonly metrics: readonly StepMetrics[] | undefined;
}): JSX.Element {
  const { id, verdict, steps, rollouts, failed } = details;
  const last = metrics?.at(-1);
  const validated = metrics?.findLast(({ validation }) => validation !== undefined);
  const to = (query: Readonly<Record<string, string | number>>): string | undefined =>
    details.hasStore ? pageOf(['runs', id, 'rollouts'], query) : undefined;
  return (
    <div class="figures">
      <Figure name="steps">{formatCount(steps)}</Figure>
      <Figure name="reward of the newest step" to={to({ steps, mode: 'train' })}>
        {formatNumber(last?.reward.mean)}
      </Figure>
      <Figure
        name="held-out reward, before → last"
        to={validated === undefined ? undefined : to({ steps: validated.step, mode: 'val' })}
      >
        {formatNumber(details.validationBefore?.reward)} → {formatNumber(validated?.validation?.reward)}
      </Figure>
      {verdict === undefined ? undefined : (
        <Figure name={`verdict, gain of step ${verdict.step} (95 %)`} to={to({ mode: 'test' })}>
          {verdict.answer}{' '}
          <small>
            {formatNumber(verdict.gain)} ({verdict.interval.map(formatNumber).join(' to ')})
          </small>
        </Figure>
      )}
      <Figure name="training rollouts" to={to({ mode: 'train' })}>
        {formatCount(rollouts)}
      </Figure>
      <Figure name="failed" to={to({ status: 'failed', mode: 'train' })}>
        {formatCount(failed)} <small>{rollouts === 0 ? '' : formatShare(failed / rollouts)}</small>
      </Figure>
      <Figure name={`since ${formatMoment(details.startedAt)}`}>{formatSeconds(details.wallSeconds)}</Figure>
    </div>
  );
}

function RewardChart({
  details,
  metrics,
  choose,
}: {
  readonly details: RunDetails;
  readonly metrics: readonly StepMetrics[];
  readonly choose: ((first: number, last: number) => void) | undefined;
}): JSX.Element {
  const { steps, lines } = useMemo(
    () => toCurve(metrics, details.validationBefore),
    [metrics, details.validationBefore],
  );
  return <StepChart label="Reward over the steps" steps={steps} lines={lines} height={280} onChoose={choose} />;
}

function toCurve(
  metrics: readonly StepMetrics[],
  before: RunDetails['validationBefore'],
): { readonly steps: readonly number[]; readonly lines: readonly ChartLine[] } {
  const points = [
    ...(before === undefined ? [] : [{ step: 0, reward: undefined, validation: before }]),
    ...metrics.map(({ step, reward, validation }) => ({ step, reward: reward.mean, validation })),
  ];
  const held = points.map(({ validation }) => validation?.reward ?? null);
  return {
    steps: points.map(({ step }) => step),
    lines: [
      { name: 'training, sampled', values: points.map(({ reward }) => reward ?? null) },
      ...(held.every((value) => value === null)
        ? []
        : [
            {
              name: 'held-out, greedy (95 % interval)',
              values: held,
              intervals: points.map(({ validation }) => validation?.interval ?? null),
              isSparse: true,
            },
          ]),
    ],
  };
}

function Options({ details }: { readonly details: RunDetails }): JSX.Element | undefined {
  const options = Object.entries(details.config);
  if (options.length === 0) return undefined;
  return (
    <details class="card">
      <summary>
        <h2>Options of the run</h2>
      </summary>
      <p class="hint">
        <code>{details.directory}</code>
      </p>
      <dl class="options">
        {options.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{String(value)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
