import type { JSX } from 'preact';
import type { RunDetails } from '../../../src/api.ts';
import { marks } from '../../../src/notes/marks.ts';
import { countOf, formatCount } from '../format.ts';
import { signs } from '../parts/note.tsx';
import { useRolloutRows } from '../parts/rollout-rows.ts';
import { RolloutTable } from '../parts/rollout-table.tsx';
import { Problem } from '../parts/messages.tsx';
import { pageOf, place, setQuery } from '../router.tsx';
import { snapshot } from '../snapshot/snapshot.ts';

/** The fields of the filter that the address may have. */
const fields = [
  'steps',
  'mode',
  'status',
  'failure',
  'kind',
  'group',
  'least',
  'most',
  'note',
  'prompts',
  'task',
  'text',
  'order',
] as const;

/** Shows the rollouts of a run as a long table; its filter is in the address. */
export function RolloutsPage({ details }: { readonly details: RunDetails }): JSX.Element {
  const { query } = place.value;
  const filter = new URLSearchParams(
    fields.flatMap((name) => (query.get(name) ? [[name, query.get(name)!]] : [])),
  ).toString();
  const rows = useRolloutRows(details.id, filter);
  const isFiltered = filter !== '';
  return (
    <div class="rollouts">
      <h1 class="reader">Rollouts of {details.id}</h1>
      <Filters />
      {rows.error !== undefined ? (
        <Problem title="These rollouts cannot be shown" text={rows.error} />
      ) : (
        <>
          <div class="head counts">
            <p role="status">
              <b>{countOf(rows.total, 'rollout')}</b>
              {isFiltered ? ` of ${formatCount(rows.read)}` : ''}
              {rows.isComplete ? '' : ' · still reading the store…'}
              {Object.entries(rows.statuses).map(([status, count]) => ` · ${formatCount(count)} ${status}`)}
            </p>
            {details.state === 'store' || snapshot !== undefined ? undefined : (
              <a class="download" href={pageOf(['api', 'runs', details.id, 'notes.jsonl'])} download="notes.jsonl">
                Notes as JSON Lines
              </a>
            )}
            {isFiltered ? (
              <button
                type="button"
                class="quiet"
                onClick={() => setQuery(Object.fromEntries(fields.map((name) => [name, ''])))}
              >
                Clear the filter
              </button>
            ) : undefined}
          </div>
          <RolloutTable run={details.id} rows={rows} />
        </>
      )}
    </div>
  );
}

function Filters(): JSX.Element {
  const { query } = place.value;
  const value = (name: (typeof fields)[number]): string => query.get(name) ?? '';
  const change = (name: string) => (event: Event) =>
    setQuery({ [name]: (event.currentTarget as HTMLInputElement).value });
  const choice = (
    name: (typeof fields)[number],
    label: string,
    options: readonly (readonly [value: string, text: string])[],
  ): JSX.Element => (
    <label>
      {label}
      <select value={value(name)} onChange={change(name)}>
        {options.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
  const field = (name: (typeof fields)[number], label: string, hint: string, size: number): JSX.Element => (
    <label>
      {label}
      <input type="text" size={size} placeholder={hint} value={value(name)} onChange={change(name)} />
    </label>
  );
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <label class="wide">
        task, id or comment
        <input type="search" placeholder="a part of it" value={value('text')} onInput={change('text')} />
      </label>
      {field('steps', 'steps', '3 or 3-12', 8)}
      {choice('mode', 'purpose', [
        ['', 'all'],
        ['train', 'training'],
        ['val', 'held-out'],
        ['test', 'verdict'],
      ])}
      {choice('status', 'status', [
        ['', 'all'],
        ...['succeeded', 'failed', 'cancelled', 'running', 'queuing'].map((name) => [name, name] as const),
      ])}
      {field('failure', 'failure code', 'any', 12)}
      {field('least', 'reward from', '–', 5)}
      {field('most', 'to', '–', 5)}
      {choice('order', 'order', [
        ['', 'newest first'],
        ['oldest', 'oldest first'],
        ['lowest', 'lowest reward first'],
        ['highest', 'highest reward first'],
        ['slowest', 'slowest first'],
      ])}
      {choice('note', 'your note', [
        ['', 'all'],
        ['any', 'any note'],
        ...marks.map((mark): [string, string] => [mark, `${signs[mark][1]} ${mark}`]),
        ['none', 'no note'],
      ])}
      {field('kind', 'kind of task', 'any', 10)}
      {value('prompts') === '' ? undefined : field('prompts', 'prompts', 'any', 14)}
      {value('task') === '' ? undefined : field('task', 'task number', 'any', 5)}
      {value('group') === '' ? undefined : field('group', 'group', 'any', 14)}
    </form>
  );
}
