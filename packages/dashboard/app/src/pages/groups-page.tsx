import type { JSX } from 'preact';
import type { GroupEntry, GroupPage as GroupPageReply, RunDetails } from '../../../src/api.ts';
import { changes, useResource } from '../fetch.ts';
import { countOf, formatNumber } from '../format.ts';
import { Empty, Problem, Waiting } from '../parts/messages.tsx';
import { Link, navigate, pageOf, place, setQuery } from '../router.tsx';

/** The groups of one page. */
const pageSize = 50;

/** Lists the groups of a run, with or without a signal: a group whose rollouts all earned the same teaches nothing. */
export function GroupsPage({ details }: { readonly details: RunDetails }): JSX.Element {
  const { query } = place.value;
  const offset = Number(query.get('offset') ?? 0);
  const fields = Object.fromEntries(['steps', 'signal'].map((name) => [name, query.get(name) ?? '']));
  const path = pageOf(['api', 'runs', details.id, 'groups'], {
    ...fields,
    offset: query.get('offset') ?? '',
    limit: pageSize,
  });
  const { data, error } = useResource<GroupPageReply>(path, changes.rollouts.value);
  const change = (name: string) => (event: Event) =>
    setQuery({ [name]: (event.currentTarget as HTMLInputElement).value, offset: '' });
  return (
    <>
      <h1 class="reader">Groups of {details.id}</h1>
      <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
        <label>
          steps
          <input type="text" size={8} placeholder="3 or 3-12" value={fields['steps']} onChange={change('steps')} />
        </label>
        <label>
          signal
          <select value={fields['signal']} onChange={change('signal')}>
            <option value="">all</option>
            <option value="some">rewards differ</option>
            <option value="none">rewards are equal: nothing to learn</option>
          </select>
        </label>
      </form>
      {error !== undefined ? (
        <Problem title="The groups cannot be shown" text={error} />
      ) : data === undefined ? (
        <Waiting />
      ) : (
        <GroupList run={details.id} page={data} offset={offset} />
      )}
    </>
  );
}

function GroupList({
  run,
  page,
  offset,
}: {
  readonly run: string;
  readonly page: GroupPageReply;
  readonly offset: number;
}): JSX.Element {
  const { total, items, isComplete } = page;
  const go = (next: number): void =>
    navigate(pageOf(place.value.path, { ...Object.fromEntries(place.value.query), offset: next === 0 ? '' : next }));
  if (items.length === 0)
    return (
      <Empty>
        {isComplete
          ? 'No group is like this: rollouts of one task that are compared form a group.'
          : 'Still reading the store…'}
      </Empty>
    );
  const rewards = items.flatMap((group) => group.rewards);
  const [low, high] = [Math.min(0, ...rewards), Math.max(...rewards, 1e-9)];
  return (
    <>
      <p class="lead" role="status">
        {countOf(total, 'group')}
        {isComplete ? '' : ' so far, still reading the store…'}
      </p>
      <ul class="groups">
        {items.map((group) => (
          <GroupRow key={group.id} run={run} group={group} low={low} high={high} />
        ))}
      </ul>
      {total > pageSize ? (
        <nav class="pages" aria-label="Pages of groups">
          <button type="button" disabled={offset === 0} onClick={() => go(Math.max(0, offset - pageSize))}>
            ← newer
          </button>
          <span>
            {offset + 1} to {offset + items.length} of {total.toLocaleString('en')}
          </span>
          <button type="button" disabled={offset + pageSize >= total} onClick={() => go(offset + pageSize)}>
            older →
          </button>
        </nav>
      ) : undefined}
    </>
  );
}

function GroupRow({
  run,
  group,
  low,
  high,
}: {
  readonly run: string;
  readonly group: GroupEntry;
  readonly low: number;
  readonly high: number;
}): JSX.Element {
  const { id, step, task, size, failed, unfinished, rewards, mean, deviation } = group;
  return (
    <li class="card">
      <Link to={pageOf(['runs', run, 'groups', id])} class="group-link">
        <span class="task">{task}</span>
        <span class="bars" aria-hidden="true">
          {rewards.map((reward, index) => (
            <span
              key={index}
              class="bar"
              style={{ height: `${Math.round(3 + 25 * ((reward - low) / (high - low)))}px` }}
            />
          ))}
        </span>
        <span class="numbers">
          {step === undefined ? '' : `step ${step} · `}
          {size} rollouts{failed === 0 ? '' : ` · ✕ ${failed} failed`}
          {unfinished === 0 ? '' : ` · ${unfinished} unfinished`} · mean {formatNumber(mean)} ±{' '}
          {formatNumber(deviation)}
          {deviation === 0 && unfinished === 0 ? <span class="badge warn">= no signal</span> : ''}
        </span>
      </Link>
    </li>
  );
}
