import type { JSX } from 'preact';
import type { PromptCandidate, PromptSearch } from '../../../src/prompts/shapes.ts';
import { formatNumber } from '../format.ts';
import { nameOf } from './candidate-name.ts';
import { Link, pageOf } from '../router.tsx';

/** The most selection tasks that the table has a column for. */
const shownTasks = 60;

/** Shows on which selection tasks each candidate is the best: together, those that are best somewhere are the Pareto front. */
export function TaskTable({
  run,
  hasStore,
  search,
}: {
  readonly run: string;
  readonly hasStore: boolean;
  readonly search: PromptSearch;
}): JSX.Element | undefined {
  const { selection, candidates } = search;
  const scored = candidates.filter(({ scores }) => scores !== undefined);
  if (scored.length === 0) return undefined;
  const columns = [...selection.keys()].slice(0, shownTasks);
  const best = columns.map((column) => Math.max(...scored.map(({ scores }) => scores![column]!)));
  const all = scored.flatMap(({ scores }) => scores!);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const cell = (candidate: PromptCandidate, column: number): JSX.Element => {
    const score = candidate.scores![column]!;
    const isLeader = score === best[column];
    const level = high > low ? Math.round(((score - low) / (high - low)) * 4) : 4;
    const label = `${nameOf(candidate, candidates)}, task ${selection[column]}: ${formatNumber(score)}${isLeader ? ', the best' : ''}`;
    const text = isLeader ? '●' : formatNumber(score);
    const to = pageOf(['runs', run, 'rollouts'], { prompts: candidate.id, task: selection[column]! });
    return (
      <td key={column} class={`heat h${level}`} title={label}>
        {hasStore ? (
          <Link to={to}>
            <span aria-hidden="true">{text}</span>
            <span class="reader">{label}</span>
          </Link>
        ) : (
          text
        )}
      </td>
    );
  };
  return (
    <section class="card">
      <h2>The front: who is best on which task</h2>
      <p class="hint">
        ● no other candidate is better on this task; the darker, the higher the reward. A candidate that is best
        somewhere may be the parent of the next one. A cell leads to its rollouts.
        {selection.length > shownTasks ? ` The first ${shownTasks} of ${selection.length} tasks are shown.` : ''}
      </p>
      <div class="roll" tabIndex={0} role="group" aria-label="Rewards of candidates by task">
        <table class="narrow heat-table">
          <thead>
            <tr>
              <th>task</th>
              {columns.map((column) => (
                <th key={column} class="heat-head">
                  {selection[column]}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {scored.map((candidate) => (
              <tr key={candidate.id}>
                <th scope="row">{nameOf(candidate, candidates)}</th>
                {columns.map((column) => cell(candidate, column))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

const [width, height, edge] = [420, 260, 40];

/** Draws the candidates by the first two dimensions of the reward, and the line of those that no other one beats in both. */
export function PromptFront({ search }: { readonly search: PromptSearch }): JSX.Element | undefined {
  const { dimensions, candidates } = search;
  const [across, up] = dimensions;
  const shown = candidates.filter(({ means }) => means !== undefined);
  if (across === undefined || up === undefined || shown.length === 0) return undefined;
  const scale = (name: string, size: number) => {
    const values = shown.map(({ means }) => means![name]!);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return (value: number): number =>
      high > low ? ((value - low) / (high - low)) * (size - 2 * edge) : (size - 2 * edge) / 2;
  };
  const [x, y] = [scale(across, width), scale(up, height)];
  const place = ({ means }: PromptCandidate): readonly [number, number] => [
    edge + x(means![across]!),
    height - edge - y(means![up]!),
  ];
  const front = shown
    .filter(({ isUndominated }) => isUndominated)
    .toSorted((a, b) => a.means![across]! - b.means![across]!);
  return (
    <section class="card">
      <h2>
        The front: {up} against {across}
      </h2>
      <p class="hint">
        Means over the selection tasks. ◆ no other candidate is at least as good in every dimension and better in one
        {dimensions.length > 2 ? ` (there are ${dimensions.length} dimensions; two are drawn)` : ''}.
      </p>
      <svg
        class="front"
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={`${front.length} candidates are on the front`}
      >
        <line class="axis" x1={edge} y1={height - edge + 14} x2={width - edge} y2={height - edge + 14} />
        <line class="axis" x1={edge - 14} y1={edge} x2={edge - 14} y2={height - edge} />
        <text x={width - edge} y={height - 8} text-anchor="end">
          {across} →
        </text>
        <text x={4} y={16}>
          ↑ {up}
        </text>
        <polyline
          class="l3"
          fill="none"
          stroke-width="2"
          points={front.map((each) => place(each).join(',')).join(' ')}
        />
        {shown.map((each) => {
          const [left, top] = place(each);
          return (
            <g key={each.id} class={each.isUndominated === true ? 'f3' : 'f1'}>
              <title>{`${nameOf(each, candidates)}: ${across} ${formatNumber(each.means![across])}, ${up} ${formatNumber(each.means![up])}`}</title>
              {each.isUndominated === true ? (
                <path d={`M${left} ${top - 7}l7 7-7 7-7-7z`} />
              ) : (
                <circle cx={left} cy={top} r="4.5" />
              )}
            </g>
          );
        })}
      </svg>
      <ul class="legend">
        {front.map((each) => (
          <li key={each.id}>
            ◆ {nameOf(each, candidates)}{' '}
            <b>
              {formatNumber(each.means![across])} · {formatNumber(each.means![up])}
            </b>
          </li>
        ))}
      </ul>
    </section>
  );
}
