import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core';
import type { JSX } from 'preact';
import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import type { RolloutEntry } from '../../../src/api.ts';
import { formatCount, formatNumber, formatSeconds } from '../format.ts';
import { Link, navigate, pageOf } from '../router.tsx';
import { StatusBadge } from './badges.tsx';
import { NoteBadge } from './note.tsx';
import type { RolloutRows } from './rollout-rows.ts';

/** The height of a row in pixels, the same as in the style. */
const rowHeight = 40;

/** A table of any length: only the rows in the window are in the page. The arrows move, and Enter opens a rollout. */
export function RolloutTable({ run, rows }: { readonly run: string; readonly rows: RolloutRows }): JSX.Element {
  const frame = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(0);
  const virtual = useVirtualizer(frame, rows.total);
  const items = virtual.getVirtualItems();
  const [first, last] = [items[0]?.index ?? 0, items.at(-1)?.index ?? 0];
  useEffect(() => rows.want(first, last), [first, last, rows.total]);

  const press = (event: KeyboardEvent): void => {
    const page = Math.max(1, Math.floor((frame.current?.clientHeight ?? 400) / rowHeight) - 1);
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: rows.total - 1,
    };
    const target = moves[event.key];
    if (target !== undefined) {
      event.preventDefault();
      const next = Math.min(rows.total - 1, Math.max(0, target));
      setActive(next);
      virtual.scrollToIndex(next, { align: 'auto' });
    } else if (event.key === 'Enter') {
      const row = rows.at(active);
      if (row !== undefined) navigate(pageOf(['runs', run, 'rollouts', row.id]));
    }
  };
  return (
    <div class="grid">
      <div class="row title" aria-hidden="true">
        {['step', 'task', 'reward', 'status', 'group', 'purpose', 'tries', 'time'].map((name) => (
          <span class={`cell ${name}`} key={name}>
            {name}
          </span>
        ))}
      </div>
      {rows.total === 0 ? <p class="empty">{rows.isComplete ? 'No rollout is like this.' : 'Reading…'}</p> : undefined}
      <div
        ref={frame}
        class={rows.total === 0 ? 'window none' : 'window'}
        tabIndex={rows.total === 0 ? -1 : 0}
        {...(rows.total > 0 && {
          role: 'grid',
          'aria-label': 'Rollouts: the arrows move, and Enter opens one',
          'aria-rowcount': rows.total,
          'aria-activedescendant': `row-${active}`,
        })}
        onKeyDown={press}
      >
        <div class="all" role="presentation" style={{ height: `${virtual.getTotalSize()}px` }}>
          {items.map(({ index, start }) => (
            <div
              key={index}
              id={`row-${index}`}
              role="row"
              aria-rowindex={index + 1}
              aria-selected={index === active}
              class={index === active ? 'row active' : 'row'}
              style={{ transform: `translateY(${start}px)` }}
            >
              <Row run={run} row={rows.at(index)} index={index} />
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}

function Row({
  run,
  row,
  index,
}: {
  readonly run: string;
  readonly row: RolloutEntry | undefined;
  readonly index: number;
}): JSX.Element {
  if (row === undefined)
    return (
      <span role="gridcell" class="cell task faint">
        row {formatCount(index + 1)}…
      </span>
    );
  const { id, step, task, taskKind, reward, status, failure, group, mode, attempts, seconds, note } = row;
  return (
    <>
      <span role="gridcell" class="cell step">
        {step ?? '–'}
      </span>
      <span role="gridcell" class="cell task">
        <Link to={pageOf(['runs', run, 'rollouts', id])} tabIndex={-1} title={`${task}\n${id}`}>
          <NoteBadge note={note} />
          {taskKind === undefined ? '' : <span class="kind">{taskKind}</span>}
          {task === '' ? id : task}
        </Link>
      </span>
      <span role="gridcell" class="cell reward">
        {formatNumber(reward)}
      </span>
      <span role="gridcell" class="cell status">
        <StatusBadge status={status} failure={failure} />
      </span>
      <span role="gridcell" class="cell group">
        {group === undefined ? (
          '–'
        ) : (
          <Link to={pageOf(['runs', run, 'groups', group])} tabIndex={-1}>
            {group}
          </Link>
        )}
      </span>
      <span role="gridcell" class="cell purpose">
        {{ train: 'training', val: 'held-out', test: 'verdict' }[mode]}
      </span>
      <span role="gridcell" class="cell tries">
        {attempts}
      </span>
      <span role="gridcell" class="cell time">
        {formatSeconds(seconds)}
      </span>
    </>
  );
}

function useVirtualizer(
  frame: { readonly current: HTMLDivElement | null },
  count: number,
): Virtualizer<HTMLDivElement, Element> {
  const [, redraw] = useReducer((version: number) => version + 1, 0);
  const options = {
    count,
    getScrollElement: () => frame.current,
    estimateSize: () => rowHeight,
    overscan: 12,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: () => redraw(undefined),
  };
  const virtual = useRef<Virtualizer<HTMLDivElement, Element>>(undefined);
  virtual.current ??= new Virtualizer(options);
  virtual.current.setOptions(options);
  useEffect(() => {
    const stop = virtual.current!._didMount();
    virtual.current!._willUpdate();
    return stop;
  }, []);
  useEffect(() => virtual.current!._willUpdate());
  return virtual.current;
}
