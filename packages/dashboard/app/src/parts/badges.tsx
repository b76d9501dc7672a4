import type { JSX } from 'preact';
import type { RunSummary } from '../../../src/api.ts';
import { formatNumber } from '../format.ts';

/** The state of a run: a sign, a word and a colour. */
export function StateBadge({ run }: { readonly run: Pick<RunSummary, 'state' | 'outcome'> }): JSX.Element {
  const { state, outcome } = run;
  if (state === 'running')
    return (
      <span class="badge live">
        <span class="dot" aria-hidden="true" /> running
      </span>
    );
  if (state === 'store') return <span class="badge">store</span>;
  if (state === 'stopped') return <span class="badge warn">■ stopped without an end</span>;
  if (outcome === undefined) return <span class="badge">ended</span>;
  const isGood = outcome === 'completed' || outcome === 'converged';
  return (
    <span class={isGood ? 'badge good' : 'badge bad'} title={outcome}>
      {isGood ? '✓' : '✕'} {outcome.length > 60 ? `${outcome.slice(0, 60)}…` : outcome}
    </span>
  );
}

const signs: Readonly<Record<string, readonly [className: string, sign: string]>> = {
  succeeded: ['good', '✓'],
  failed: ['bad', '✕'],
  cancelled: ['warn', '■'],
  running: ['live', '▶'],
  preparing: ['live', '▶'],
};

/** The status of a rollout: a sign, a word and a colour. */
export function StatusBadge({
  status,
  failure,
}: {
  readonly status: string;
  readonly failure?: string | undefined;
}): JSX.Element {
  const [className, sign] = signs[status] ?? ['', '…'];
  const text = failure ?? status;
  return (
    <span class={`badge ${className}`} title={text}>
      <span aria-hidden="true">{sign}</span> {text}
    </span>
  );
}

/** A reward with a bar that shows where it lies between the lowest and the highest. */
export function RewardBar({
  reward,
  low,
  high,
}: {
  readonly reward: number | undefined;
  readonly low: number;
  readonly high: number;
}): JSX.Element {
  if (reward === undefined) return <span class="faint">–</span>;
  const share = high > low ? (reward - low) / (high - low) : 1;
  return (
    <span class="reward">
      <span class="track" aria-hidden="true">
        <span class="fill" style={{ width: `${Math.round(Math.min(1, Math.max(0, share)) * 100)}%` }} />
      </span>
      {formatNumber(reward)}
    </span>
  );
}
