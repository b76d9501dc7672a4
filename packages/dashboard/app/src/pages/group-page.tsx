import type { RolloutView } from '@agent-lightning/report';
import type { JSX } from 'preact';
import type { GroupDetails, RunDetails } from '../../../src/api.ts';
import { changes, useResource } from '../fetch.ts';
import { formatNumber } from '../format.ts';
import { RewardBar, StatusBadge } from '../parts/badges.tsx';
import { Entry } from '../parts/conversation.tsx';
import { Problem, Waiting } from '../parts/messages.tsx';
import { Link, pageOf } from '../router.tsx';

/** Shows the rollouts of a group beside each other: what they share once, then where they part. */
export function GroupPage({ details, id }: { readonly details: RunDetails; readonly id: string }): JSX.Element {
  const { data, error } = useResource<GroupDetails>(
    pageOf(['api', 'runs', details.id, 'groups', id]),
    changes.rollouts.value,
  );
  if (error !== undefined) return <Problem title="This group cannot be shown" text={error} />;
  if (data === undefined) return <Waiting />;
  const { rollouts, common, task, step, missing = 0 } = data;
  const rewards = rollouts.flatMap(({ reward }) => (reward === undefined ? [] : [reward]));
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
  const [low, high] = [Math.min(0, ...rewards), Math.max(...rewards, 1e-9)];
  const ordered = rollouts.toSorted((a, b) => (b.reward ?? -Infinity) - (a.reward ?? -Infinity));
  const columns = [
    ...Map.groupBy(ordered, (view) => JSON.stringify([view.reward, view.status, view.entries.slice(common)])).values(),
  ];
  return (
    <>
      <section class="card summary">
        <h1>{id}</h1>
        <p class="hint">
          {step === undefined ? undefined : (
            <>
              <Link to={pageOf(['runs', details.id, 'rollouts'], { steps: step })}>step {step}</Link> ·{' '}
            </>
          )}
          <Link to={pageOf(['runs', details.id, 'rollouts'], { group: id })}>{rollouts.length} rollouts</Link> · mean
          reward {formatNumber(rewards.length === 0 ? undefined : mean)}
          {new Set(rewards).size === 1 && rewards.length > 1
            ? ': all earned the same, so the group teaches nothing'
            : ''}
          {missing === 0 ? '' : ` · ${missing} more of the group are not in this file`}
        </p>
        <pre class="task">{typeof task === 'string' ? task : JSON.stringify(task, undefined, 2)}</pre>
      </section>
      {common === 0 ? undefined : (
        <details class="card">
          <summary>
            <h2>The same in all rollouts ({common})</h2>
          </summary>
          <ol class="conversation">
            {rollouts[0]!.entries.slice(0, common).map((entry, index) => (
              <Entry key={index} entry={entry} />
            ))}
          </ol>
        </details>
      )}
      <h2>Where they part</h2>
      <div class="side-by-side" tabIndex={0} role="group" aria-label="Rollouts of the group, the highest reward first">
        {columns.map((views) => (
          <Column
            key={views[0]!.rolloutId}
            run={details.id}
            views={views}
            common={common}
            low={low}
            high={high}
            mean={mean}
          />
        ))}
      </div>
    </>
  );
}

function Column({
  run,
  views,
  common,
  low,
  high,
  mean,
}: {
  readonly run: string;
  readonly views: readonly RolloutView[];
  readonly common: number;
  readonly low: number;
  readonly high: number;
  readonly mean: number;
}): JSX.Element {
  const { reward, status, failure, feedback, entries } = views[0]!;
  const better = reward === undefined || reward === mean ? '' : reward > mean ? '▲ above the mean' : '▼ below the mean';
  return (
    <section class="card column">
      <h3>{views.length === 1 ? '1 rollout' : `${views.length} rollouts, all alike`}</h3>
      <p class="ids">
        {views.map(({ rolloutId }) => (
          <Link key={rolloutId} to={pageOf(['runs', run, 'rollouts', rolloutId])}>
            {rolloutId}
          </Link>
        ))}
      </p>
      <p class="head">
        <RewardBar reward={reward} low={low} high={high} /> <span class="hint">{better}</span>{' '}
        <StatusBadge status={status} />
      </p>
      {failure === undefined ? undefined : (
        <p class="failure">
          ✕ {failure.code}: {failure.message}
        </p>
      )}
      {feedback === undefined ? undefined : <p class="hint">Why: {feedback}</p>}
      <ol class="conversation">
        {entries.slice(common).map((entry, index) => (
          <Entry key={index} entry={entry} isDifferent={index === 0} />
        ))}
      </ol>
      {entries.length === common ? <p class="hint">Nothing more.</p> : undefined}
    </section>
  );
}
