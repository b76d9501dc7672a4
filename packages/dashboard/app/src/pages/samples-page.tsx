import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { RunDetails } from '../../../src/api.ts';
import type { LeftOut, RolloutSamples, StepSamples } from '../../../src/samples/shapes.ts';
import { changes, useResource } from '../fetch.ts';
import { countOf, formatCount, formatNumber, formatShare } from '../format.ts';
import { Figure } from '../parts/figure.tsx';
import { Empty, Problem, Waiting } from '../parts/messages.tsx';
import { Remarks } from '../parts/remarks.tsx';
import { Link, pageOf, place, setQuery } from '../router.tsx';

/** The rollouts that the table shows until the reader asks for all. */
const shownRollouts = 100;

/** Shows how the model calls of a step became training samples, and what was left out and why. */
export function SamplesPage({ details }: { readonly details: RunDetails }): JSX.Element {
  const step = place.value.query.get('step') ?? '';
  const { data, error } = useResource<StepSamples>(
    pageOf(['api', 'runs', details.id, 'samples'], { step }),
    changes.run.value, // a step is computed as a whole: each rollout that ends meanwhile would cost all of it
  );
  return (
    <>
      <h1 class="reader">Training samples of {details.id}</h1>
      <StepChoice shown={data?.step} newest={Math.max(details.steps, data?.step ?? 0)} />
      {error !== undefined ? (
        <Problem title="The samples cannot be shown" text={error} />
      ) : data === undefined ? (
        <Waiting />
      ) : (
        <Step run={details.id} data={data} />
      )}
    </>
  );
}

function StepChoice({ shown, newest }: { readonly shown: number | undefined; readonly newest: number }): JSX.Element {
  const go = (step: number): void => setQuery({ step: String(step) });
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <label>
        step
        <input
          type="text"
          inputMode="numeric"
          size={6}
          value={place.value.query.get('step') ?? shown ?? ''}
          onChange={(event) => setQuery({ step: event.currentTarget.value.trim() })}
        />
      </label>
      <button type="button" disabled={shown === undefined || shown <= 1} onClick={() => go(shown! - 1)}>
        ← earlier
      </button>
      <button type="button" disabled={shown === undefined || shown >= newest} onClick={() => go(shown! + 1)}>
        later →
      </button>
    </form>
  );
}

function Step({ run, data }: { readonly run: string; readonly data: StepSamples }): JSX.Element {
  const { step, layout, used, leftOut, rollouts, remarks } = data;
  if (rollouts.length === 0)
    return (
      <>
        <Remarks remarks={remarks} />
        <Empty>
          {step === 0
            ? 'No step has begun: there are no training rollouts yet.'
            : `No training rollout of step ${step} has come to an end.`}
        </Empty>
      </>
    );
  const saved = used.callTokens - used.sampleTokens;
  const to = pageOf(['runs', run, 'rollouts'], { steps: step, mode: 'train' });
  return (
    <>
      <div class="figures">
        <Figure name="rollouts with samples, of all" to={to}>
          {formatCount(used.rollouts)} <small>of {formatCount(rollouts.length)}</small>
        </Figure>
        <Figure name="calls → samples">
          {formatCount(used.calls)} → {formatCount(used.samples)}
        </Figure>
        <Figure name="tokens trained on (mask 1)">{formatCount(used.trainedTokens)}</Figure>
        <Figure name="tokens through the model">
          {formatCount(used.sampleTokens)}{' '}
          {saved > 0 ? <small>{formatShare(saved / used.callTokens)} saved by joining calls</small> : undefined}
        </Figure>
      </div>
      <Remarks remarks={remarks} />
      <p class="hint">
        {layout === 'transition'
          ? 'Each call is a sample of its own (samples: transition).'
          : 'Calls whose prompts continue an earlier prompt and its response, token for token, are one sample. Every response is trained on once.'}
      </p>
      <LeftOutTable run={run} step={step} leftOut={leftOut} />
      <RolloutSamplesTable run={run} rollouts={rollouts} />
    </>
  );
}

function LeftOutTable({
  run,
  step,
  leftOut,
}: {
  readonly run: string;
  readonly step: number;
  readonly leftOut: readonly LeftOut[];
}): JSX.Element {
  return (
    <section class="card">
      <h2>What was left out, and why</h2>
      {leftOut.length === 0 ? (
        <p class="hint">✓ Nothing: every rollout and every call of the step can be trained on.</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th class="n">how many</th>
              <th>what</th>
              <th>why</th>
              <th>evidence</th>
            </tr>
          </thead>
          <tbody>
            {leftOut.map(({ what, reason, count, rolloutIds }) => (
              <tr key={`${what}${reason}`}>
                <td class="n">{formatCount(count)}</td>
                <td>{count === 1 ? what.slice(0, -1) : what}</td>
                <td class="text">{reason}</td>
                <td>
                  <Link to={pageOf(['runs', run, 'rollouts', rolloutIds[0]!], { view: 'samples' })}>
                    {rolloutIds.length === 1 ? 'the rollout' : 'one of them'}
                  </Link>
                  {what === 'rollouts' && reason.includes('group') ? (
                    <>
                      {' '}
                      · <Link to={pageOf(['runs', run, 'groups'], { steps: step, signal: 'none' })}>groups</Link>
                    </>
                  ) : undefined}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function RolloutSamplesTable({
  run,
  rollouts,
}: {
  readonly run: string;
  readonly rollouts: readonly RolloutSamples[];
}): JSX.Element {
  const [isWhole, setIsWhole] = useState(false);
  const shown = isWhole ? rollouts : rollouts.slice(0, shownRollouts);
  return (
    <section class="card scroll" tabIndex={0} role="group" aria-label="Rollouts of the step">
      <h2>Rollouts of the step</h2>
      <table>
        <thead>
          <tr>
            <th>rollout</th>
            <th>group</th>
            <th class="n">reward</th>
            <th class="n">calls</th>
            <th class="n">not trainable</th>
            <th class="n">samples</th>
            <th class="n">trained tokens</th>
            <th class="n">all tokens</th>
            <th>left out because</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((each) => (
            <tr key={each.id}>
              <td title={each.task}>
                <Link to={pageOf(['runs', run, 'rollouts', each.id], { view: 'samples' })}>{each.id}</Link>
              </td>
              <td>
                {each.group === undefined ? (
                  '–'
                ) : (
                  <Link to={pageOf(['runs', run, 'groups', each.group])}>{each.group}</Link>
                )}
              </td>
              <td class="n">{formatNumber(each.reward)}</td>
              <td class="n">{each.calls}</td>
              <td class="n">{each.untrainable}</td>
              <td class="n">{each.samples}</td>
              <td class="n">{formatCount(each.trainedTokens)}</td>
              <td class="n">{formatCount(each.sampleTokens)}</td>
              <td>{each.leftOut ?? ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {shown.length < rollouts.length ? (
        <button type="button" class="quiet" onClick={() => setIsWhole(true)}>
          {countOf(rollouts.length - shown.length, 'more rollout')}
        </button>
      ) : undefined}
    </section>
  );
}
