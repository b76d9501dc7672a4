import type { StepMetrics } from '@agent-lightning/run';
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import type { RunDetails, RunExamples } from '../../../src/api.ts';
import { readNumber, useMetrics } from '../charts/read-metrics.ts';
import { StepChart, type ChartLine } from '../charts/step-chart.tsx';
import { Timeline, type Phase } from '../charts/timeline.tsx';
import { changes, useResource } from '../fetch.ts';
import { formatCount, formatMoment, formatNumber, formatSeconds, formatShare } from '../format.ts';
import { FindingList } from '../parts/findings.tsx';
import { Failures } from '../parts/failures.tsx';
import { InThisFile } from '../parts/in-this-file.tsx';
import { Figure } from '../parts/figure.tsx';
import { MetricList } from '../parts/metric-list.tsx';
import { Empty, Waiting } from '../parts/messages.tsx';
import { OwnCharts } from '../parts/own-charts.tsx';
import { RewardByKind } from '../parts/reward-by-kind.tsx';
import { SpendFigure } from '../parts/spend-figure.tsx';
import { SpendTable } from '../parts/spend.tsx';
import { StepTable } from '../parts/step-table.tsx';
import { HeldOut, Kept, LastStep } from '../parts/told.tsx';
import { VerdictCard } from '../parts/verdict.tsx';
import { Link, navigate, pageOf } from '../router.tsx';

/** Shows how a run goes: its main figures, the learning curve, who waits for whom, failures, and every metric. */
export function RunPage({ details }: { readonly details: RunDetails }): JSX.Element {
  const metrics = useMetrics(details, changes.run.value);
  const { data: read, error: unread } = useResource<RunExamples>(
    details.hasStore ? pageOf(['api', 'runs', details.id, 'examples']) : undefined,
    changes.run.value,
  );
  const choose = details.hasStore
    ? (first: number, last: number): void =>
        navigate(pageOf(['runs', details.id, 'rollouts'], { steps: first === last ? first : `${first}-${last}` }))
    : undefined;
  const examples = read ?? noExamples;
  const isReading = details.hasStore && read === undefined && unread === undefined;
  // Of a run that did not end well, the failures are what is looked for first.
  const isBad =
    details.state === 'stopped' || (details.state === 'ended' && !hasEndedWell(details)) || metrics?.length === 0;
  const failures = (
    <Failures details={details} metrics={metrics ?? []} failures={examples.failures} isReading={isReading} />
  );
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
      <VerdictCard details={details} />
      {metrics === undefined ? (
        <Waiting />
      ) : (
        <>
          {isBad ? failures : undefined}
          {metrics.length === 0 ? (
            <NoSteps details={details} />
          ) : (
            <Curves details={details} metrics={metrics} choose={choose} />
          )}
          {isBad ? undefined : failures}
          <HeldOut details={details} examples={examples} hasPolicy={hasPolicy(metrics)} />
          <LastStep details={details} examples={examples} />
          <Kept details={details} examples={examples} />
          <SpendTable details={details} />
          <RewardByKind details={details} metrics={metrics} />
          {metrics.length === 0 ? undefined : (
            <>
              <OwnCharts details={details} metrics={metrics} choose={choose} />
              <MetricList metrics={metrics} choose={choose} />
              <StepTable details={details} metrics={metrics} />
            </>
          )}
        </>
      )}
      <InThisFile details={details} />
      <Options details={details} />
    </>
  );
}

/** Tells whether a run ended as it was to, or as the user or a limit wanted. */
function hasEndedWell({ outcome }: RunDetails): boolean {
  return ['completed', 'converged', 'interrupted', 'limit-reached', undefined].includes(outcome);
}

const noExamples: RunExamples = { failures: [], heldOut: [], kept: [] };

type Choose = ((first: number, last: number) => void) | undefined;

/** Tells whether a policy answered model calls; without one nothing was sampled, and no call was captured. */
function hasPolicy(metrics: readonly StepMetrics[]): boolean {
  return metrics.some(({ transitions }) => transitions > 0);
}

/** Returns the page that shows what a stretch of time was spent on. */
function placeOf({ id }: RunDetails, first: number, last: number, phase?: Phase): string {
  const steps = first === last ? first : `${first}-${last}`;
  if (phase === 'convert' || phase === 'train') return pageOf(['runs', id, 'samples'], { step: last });
  const mode = phase === 'validate' ? 'val' : phase === 'rollout' ? 'train' : undefined;
  return pageOf(['runs', id, 'rollouts'], { steps, mode });
}

/** Draws the reward over the steps, and who waited for whom. */
function Curves({
  details,
  metrics,
  choose,
}: {
  readonly details: RunDetails;
  readonly metrics: readonly StepMetrics[];
  readonly choose: Choose;
}): JSX.Element {
  return (
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
        <Timeline metrics={metrics} onChoose={choose && ((...stretch) => navigate(placeOf(details, ...stretch)))} />
      </section>
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
  const calls = metrics?.reduce((sum, { transitions }) => sum + transitions, 0) ?? 0;
  const trained = metrics?.reduce((sum, line) => sum + (readNumber(line, ['tokensTrained']) ?? 0), 0) ?? 0;
  const validated = metrics?.findLast(({ validation }) => validation !== undefined);
  const to = (query: Readonly<Record<string, string | number>>): string | undefined =>
    details.hasStore ? pageOf(['runs', id, 'rollouts'], query) : undefined;
  return (
    <div class="figures">
      <Figure name="steps">{formatCount(steps)}</Figure>
      <Figure name="reward of the newest step" to={to({ steps, mode: 'train' })}>
        {formatNumber(last?.reward.mean)}
      </Figure>
      {validated === undefined && details.validationBefore === undefined ? undefined : (
        <Figure
          name="held-out reward, before → last"
          to={validated === undefined ? undefined : to({ steps: validated.step, mode: 'val' })}
        >
          {formatNumber(details.validationBefore?.reward)} → {formatNumber(validated?.validation?.reward)}
        </Figure>
      )}
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
      <SpendFigure run={id} spend={last?.spend} />
      {calls === 0 ? undefined : <Figure name="model calls">{formatNumber(calls)}</Figure>}
      {trained === 0 ? undefined : <Figure name="tokens trained">{formatNumber(trained)}</Figure>}
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
  readonly choose: Choose;
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
  const isSampled = hasPolicy(metrics);
  const held = points.map(({ validation }) => validation?.reward ?? null);
  return {
    steps: points.map(({ step }) => step),
    lines: [
      { name: isSampled ? 'training, sampled' : 'training', values: points.map(({ reward }) => reward ?? null) },
      ...(held.every((value) => value === null)
        ? []
        : [
            {
              name: `held-out${isSampled ? ', greedy' : ''} (95 % interval)`,
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
