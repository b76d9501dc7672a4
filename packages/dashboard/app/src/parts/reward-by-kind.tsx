import type { StepMetrics } from '@agent-lightning/run';
import type { JSX } from 'preact';
import type { RunDetails } from '../../../src/api.ts';
import { formatNumber } from '../format.ts';
import { Link, pageOf } from '../router.tsx';

interface KindRewards {
  readonly isHeldOut: boolean;
  readonly before: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
}

/** Shows the reward by kind of task at the beginning and at the end: of held-out tasks where there are some, else of training. */
export function RewardByKind({
  details,
  metrics,
}: {
  readonly details: RunDetails;
  readonly metrics: readonly StepMetrics[];
}): JSX.Element | undefined {
  const { isHeldOut, before, after } = findRewards(details, metrics);
  const kinds = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted();
  if (kinds.length === 0) return undefined;
  const values = [0, 1, ...Object.values(before), ...Object.values(after)];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const place = (value: number): number => ((value - low) / (high - low)) * 100;
  return (
    <section class="card">
      <h2>Reward by kind of task</h2>
      <p class="hint">{isHeldOut ? 'Held-out tasks' : 'Training tasks'}: at first (ring) and at last (dot).</p>
      <div class="scroll" tabIndex={0} role="group" aria-label="Reward by kind of task">
        <table class="kinds">
          <thead>
            <tr>
              <th>kind</th>
              <th class="n">at first</th>
              <th class="n">at last</th>
              <th class="n">change</th>
              <th>
                <span class="reader">picture</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {kinds.map((kind) => (
              <tr key={kind}>
                <td>
                  {details.hasStore ? (
                    <Link to={pageOf(['runs', details.id, 'rollouts'], { kind, mode: isHeldOut ? 'val' : 'train' })}>
                      {kind}
                    </Link>
                  ) : (
                    kind
                  )}
                </td>
                <td class="n">{formatNumber(before[kind])}</td>
                <td class="n">{formatNumber(after[kind])}</td>
                <td class="n">{changeOf(before[kind], after[kind])}</td>
                <td class="picture">
                  <Dumbbell from={before[kind]} to={after[kind]} place={place} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function findRewards({ validationBefore }: RunDetails, metrics: readonly StepMetrics[]): KindRewards {
  const validation = metrics.findLast((line) => line.validation?.complete === true)?.validation;
  const isHeldOut = Object.keys(validation?.byKind ?? {}).length > 0 && validationBefore !== undefined;
  return isHeldOut
    ? { isHeldOut, before: validationBefore.byKind, after: validation!.byKind }
    : { isHeldOut, before: metrics[0]?.reward.byKind ?? {}, after: metrics.at(-1)?.reward.byKind ?? {} };
}

function changeOf(from: number | undefined, to: number | undefined): string {
  if (from === undefined || to === undefined) return '–';
  return `${to >= from ? '+' : '−'}${formatNumber(Math.abs(to - from))}`;
}

function Dumbbell({
  from,
  to,
  place,
}: {
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly place: (value: number) => number;
}): JSX.Element {
  return (
    <svg class="dumbbell" viewBox="-4 0 108 10" preserveAspectRatio="none" aria-hidden="true">
      <line class="ground" x1="0" x2="100" y1="5" y2="5" />
      {from === undefined || to === undefined ? undefined : (
        <line class="change" x1={place(from)} x2={place(to)} y1="5" y2="5" />
      )}
      {from === undefined ? undefined : <ellipse class="before" cx={place(from)} cy="5" rx="1.4" ry="3.4" />}
      {to === undefined ? undefined : <ellipse class="after" cx={place(to)} cy="5" rx="1.4" ry="3.4" />}
    </svg>
  );
}
