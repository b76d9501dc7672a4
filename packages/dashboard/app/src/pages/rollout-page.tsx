import type { JSX } from 'preact';
import type { RolloutDetails, RunDetails } from '../../../src/api.ts';
import { changes, useResource } from '../fetch.ts';
import { formatNumber, formatSeconds } from '../format.ts';
import { StatusBadge } from '../parts/badges.tsx';
import { CallTree } from '../parts/call-tree.tsx';
import { Conversation } from '../parts/conversation.tsx';
import { Problem, Waiting } from '../parts/messages.tsx';
import { NoteCard } from '../parts/note.tsx';
import { Raw } from '../parts/raw.tsx';
import { Tokens } from '../parts/tokens.tsx';
import { Waterfall } from '../parts/waterfall.tsx';
import { Link, pageOf, place } from '../router.tsx';

const views = [
  ['conversation', 'Conversation'],
  ['waterfall', 'Waterfall'],
  ['tokens', 'Tokens'],
  ['samples', 'Samples'],
  ['raw', 'Raw'],
] as const;

/** Shows one rollout: its task, end and rewards, and what happened as a conversation, in time, token by token, as training samples, or as it is stored. */
export function RolloutPage({ details, id }: { readonly details: RunDetails; readonly id: string }): JSX.Element {
  const path = `/api/runs/${encodeURIComponent(details.id)}/rollouts/${encodeURIComponent(id)}`;
  const { data, error } = useResource<RolloutDetails>(path, changes.rollouts.value);
  const view = place.value.query.get('view') ?? 'conversation';
  if (error !== undefined) return <Problem title="This rollout cannot be shown" text={error} />;
  if (data === undefined) return <Waiting />;
  return (
    <>
      <Summary run={details.id} data={data} />
      {details.state === 'store' ? undefined : <NoteCard path={`${path}/note`} note={data.note} />}
      <nav class="tabs inner" aria-label="Views of the rollout">
        {views.map(([name, label]) => (
          <Link
            key={name}
            to={pageOf(['runs', details.id, 'rollouts', id], { view: name === 'conversation' ? '' : name })}
            aria-current={view === name ? 'page' : undefined}
          >
            {label}
          </Link>
        ))}
      </nav>
      {view === 'waterfall' ? (
        <Waterfall spans={data.spans} />
      ) : view === 'raw' ? (
        <Raw data={data} />
      ) : view === 'tokens' ? (
        <Tokens path={`${path}/tokens`} />
      ) : view === 'samples' ? (
        <CallTree path={`${path}/samples`} />
      ) : (
        <Conversation view={data.view} />
      )}
    </>
  );
}

function Summary({ run, data }: { readonly run: string; readonly data: RolloutDetails }): JSX.Element {
  const { rollout, view, step, rewards, attempts, untrainable, problems, calls, failureKind } = data;
  const { groupId, mode, status, failure, rolloutId, createdAtMs, endedAtMs } = rollout;
  const seconds = endedAtMs === undefined ? undefined : (endedAtMs - createdAtMs) / 1_000;
  return (
    <section class="card summary">
      <div class="head">
        <h1>{rolloutId}</h1>
        <StatusBadge status={status} />
      </div>
      <p class="hint">
        {step === undefined ? undefined : (
          <>
            <Link to={pageOf(['runs', run, 'rollouts'], { steps: step })}>step {step}</Link> ·{' '}
          </>
        )}
        {{ train: 'training', val: 'held-out', test: 'verdict' }[mode]}
        {groupId === undefined ? undefined : (
          <>
            {' '}
            · <Link to={pageOf(['runs', run, 'groups', groupId])}>its group side by side</Link>
          </>
        )}{' '}
        · {formatSeconds(seconds)} · {calls} {calls === 1 ? 'call' : 'calls'} that can be trained on · {attempts.length}{' '}
        {attempts.length === 1 ? 'attempt' : 'attempts'}
      </p>
      <pre class="task">
        {typeof rollout.input === 'string' ? rollout.input : JSON.stringify(rollout.input, undefined, 2)}
      </pre>
      {failure === undefined ? undefined : (
        <p class="failure">
          <b>✕ {failure.code}</b>
          {failureKind === undefined
            ? ''
            : failureKind === 'unknown'
              ? ' (cause not known)'
              : ` (caused by the ${failureKind})`}
          : {failure.message}
        </p>
      )}
      {rewards.length === 0 ? (
        <p class="hint">
          No reward was written{view.reward === undefined ? '' : `; it counts as ${formatNumber(view.reward)}`}.
        </p>
      ) : (
        <table class="rewards">
          <thead>
            <tr>
              <th>reward</th>
              <th class="n">value</th>
              <th>for</th>
              <th>why</th>
            </tr>
          </thead>
          <tbody>
            {rewards.map(({ name, value, scope, target, feedback }, index) => (
              <tr key={index}>
                <td>{name}</td>
                <td class="n">
                  <b>{formatNumber(value)}</b>
                </td>
                <td>{scope === 'rollout' ? 'the rollout' : `${scope} ${target ?? ''}`}</td>
                <td class="text">{feedback ?? ''}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {attempts.length > 1 ? (
        <details>
          <summary>{attempts.length} attempts; what is below is of the newest</summary>
          <ol>
            {attempts.map(({ attemptId, status: end, failure: why, workerId }) => (
              <li key={attemptId}>
                <StatusBadge status={end} /> by {workerId}
                {why === undefined ? '' : `: ${why.code}, ${why.message}`}
              </li>
            ))}
          </ol>
        </details>
      ) : undefined}
      {untrainable.length + problems.length === 0 ? undefined : (
        <details>
          <summary>{untrainable.length + problems.length} things that training leaves out</summary>
          <ul>
            {untrainable.map(({ spanId, agentName, reason }) => (
              <li key={spanId}>
                a call{agentName === '' ? '' : ` of ${agentName}`}: {reason}
              </li>
            ))}
            {problems.map((problem) => (
              <li key={problem}>{problem}</li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}
