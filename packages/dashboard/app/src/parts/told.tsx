import type { JSX } from 'preact';
import type { RunDetails, RunExamples, ToldRollout } from '../../../src/api.ts';
import { countOf, formatNumber } from '../format.ts';
import { Link, pageOf } from '../router.tsx';

interface Props {
  readonly details: RunDetails;
  readonly examples: RunExamples;
}

/** Says what the model said last in rollouts of the newest step, and what that earned. */
export function LastStep({ details, examples }: Props): JSX.Element | undefined {
  const { lastStep } = examples;
  if (lastStep === undefined) return undefined;
  const { step, total, items } = lastStep;
  const isSaid = items.some(({ said }) => said !== undefined);
  return (
    <section class="card">
      <div class="head">
        <h2>{isSaid ? `What the model said in step ${step}` : `Rollouts of step ${step}`}</h2>
        <Link to={pageOf(['runs', details.id, 'rollouts'], { steps: step, mode: 'train' })}>
          {total === items.length ? countOf(total, 'rollout') : `all ${countOf(total, 'rollout')}`}
        </Link>
      </div>
      <ToldTable run={details.id} items={items} isBrief />
    </section>
  );
}

/** Shows held-out tasks as they were done before and after training. */
export function HeldOut({
  details,
  examples,
  hasPolicy,
}: Props & { readonly hasPolicy: boolean }): JSX.Element | undefined {
  const [first] = examples.heldOut;
  if (first === undefined) return undefined;
  const toRollout = ({ id }: ToldRollout): string =>
    pageOf(['runs', details.id, 'rollouts', id], { view: hasPolicy ? 'tokens' : '' });
  return (
    <section class="card">
      <h2>The same held-out tasks, before and after</h2>
      <p class="hint">
        Step {first.steps[0]} and step {first.steps[1]}: first tasks whose reward rose, then those where it fell.
      </p>
      <ul class="pairs">
        {examples.heldOut.map(({ before, after }) => (
          <li key={before.id}>
            <p class="task">{before.task}</p>
            <div class="pair">
              <Side to={toRollout(before)} name="before" told={before} change={0} />
              <Side
                to={toRollout(after)}
                name="after"
                told={after}
                change={(after.reward ?? 0) - (before.reward ?? 0)}
              />
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Side({
  to,
  name,
  told,
  change,
}: {
  readonly to: string;
  readonly name: string;
  readonly told: ToldRollout;
  readonly change: number;
}): JSX.Element {
  const { failure, said } = told;
  const sign = change > 0 ? '▲ better' : change < 0 ? '▼ worse' : '';
  return (
    <div>
      <p class="hint">
        {name}: {failure === undefined ? `reward ${formatNumber(told.reward)}` : `✕ ${failure}`}{' '}
        {sign === '' ? '' : <b class={change > 0 ? 'good' : 'bad'}>{sign}</b>} ·{' '}
        <Link to={to}>{to.includes('view=tokens') ? 'its tokens' : 'its conversation'}</Link>
      </p>
      <pre class="said">{said ?? 'No call was written down.'}</pre>
    </div>
  );
}

/** Links the rollouts that the run keeps as they were trained on, token by token. */
export function Kept({ details, examples }: Props): JSX.Element | undefined {
  if (examples.kept.length === 0) return undefined;
  return (
    <section class="card">
      <h2>Token by token, as it was trained on</h2>
      <p class="hint">One group of the first and of the last step is kept with its advantages.</p>
      {examples.kept.map(({ step, items }) => (
        <div class="kept" key={step}>
          <p>
            <b>step {step}</b>: <span class="task">{items[0]?.task}</span>
          </p>
          <p class="chips">
            {items.map(({ id, reward }) => (
              <Link key={id} to={pageOf(['runs', details.id, 'rollouts', id], { view: 'tokens' })} class="badge">
                {id.split('.').at(-1)}: {reward === undefined ? 'no reward' : `reward ${formatNumber(reward)}`}
              </Link>
            ))}
          </p>
        </div>
      ))}
    </section>
  );
}

/** Lists rollouts: how each ended, what the model said, and the error unless it is to be brief. */
export function ToldTable({
  run,
  items,
  isBrief = false,
}: {
  readonly run: string;
  readonly items: readonly ToldRollout[];
  readonly isBrief?: boolean;
}): JSX.Element {
  return (
    <ul class="told">
      {items.map(({ id, task, reward, failure, message, said }) => (
        <li key={id}>
          <p class="head">
            <Link to={pageOf(['runs', run, 'rollouts', id])}>{task === '' ? id : task}</Link>
            <span class={failure === undefined ? 'badge' : 'badge bad'}>
              {failure === undefined ? `reward ${formatNumber(reward)}` : `✕ ${failure}`}
            </span>
          </p>
          {said === undefined && isBrief ? undefined : <pre class="said">{said ?? 'No call was written down.'}</pre>}
          {message === undefined || isBrief ? undefined : <p class="failure">{message}</p>}
        </li>
      ))}
    </ul>
  );
}
