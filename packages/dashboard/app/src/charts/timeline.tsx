import type { StepMetrics } from '@agent-lightning/run';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { formatSeconds, formatShare } from '../format.ts';

/** A stretch of time of one step, or of several where there are many. */
interface Stretch {
  readonly first: number;
  readonly last: number;
  readonly seconds: StepMetrics['seconds'];
  readonly idle: StepMetrics['idleShare'];
  readonly start: number;
}

/** The most stretches that are drawn. */
const mostStretches = 160;

const lanes = [
  { name: 'Agents run, training waits', phases: ['rollout'] },
  { name: 'Training', phases: ['convert', 'train', 'publish', 'checkpoint'] },
  { name: 'Evaluation', phases: ['validate'] },
] as const;

/** What a step does with its time. */
export type Phase = (typeof lanes)[number]['phases'][number];

/** Colours of phases, as numbers of the palette. */
const colors: Readonly<Record<Phase, number>> = {
  rollout: 1,
  convert: 4,
  train: 2,
  publish: 5,
  checkpoint: 6,
  validate: 3,
};

const means: Readonly<Record<Phase, string>> = {
  rollout: 'the training side waits for rollouts',
  convert: 'spans become training samples',
  train: 'the policy is trained',
  publish: 'the new version is published to the sampler',
  checkpoint: 'a checkpoint is written',
  validate: 'held-out tasks are run',
};

/** Draws who worked and who waited over the run, and says what share of the time each waited. */
export function Timeline({
  metrics,
  onChoose,
}: {
  readonly metrics: readonly StepMetrics[];
  readonly onChoose?: ((first: number, last: number, phase?: Phase) => void) | undefined;
}): JSX.Element {
  const [at, setAt] = useState<number>();
  const stretches = toStretches(metrics);
  const total = stretches.reduce((sum, { seconds }) => sum + lengthOf(seconds), 0);
  const share = (phase: Phase): number =>
    stretches.reduce((sum, { seconds }) => sum + seconds[phase], 0) / (total || 1);
  const idle = idleOf(metrics);
  const chosen = at === undefined ? undefined : stretches[at];
  const press = (event: KeyboardEvent): void => {
    const end = stretches.length - 1;
    const moves: Readonly<Record<string, number>> = {
      ArrowLeft: (at ?? end + 1) - 1,
      ArrowRight: (at ?? -1) + 1,
      Home: 0,
      End: end,
    };
    const target = moves[event.key];
    if (target !== undefined) {
      event.preventDefault();
      setAt(Math.min(end, Math.max(0, target)));
    } else if (event.key === 'Enter' && chosen !== undefined) onChoose?.(chosen.first, chosen.last);
  };
  return (
    <div class="timeline">
      <p class="verdict">{describeWait(idle)}</p>
      <div
        class="lanes"
        {...(onChoose !== undefined && {
          tabIndex: 0,
          role: 'group',
          'aria-label': 'Time by step: the arrows move, and Enter shows the rollouts',
          onKeyDown: press,
        })}
      >
        {lanes.map(({ name, phases }) => (
          <div class="lane" key={name}>
            <span class="name">{name}</span>
            <svg viewBox="0 0 1000 24" preserveAspectRatio="none" aria-hidden="true">
              {chosen === undefined ? undefined : markStretch(chosen, total)}
              {stretches.flatMap((stretch) => drawStretch(stretch, phases, total, onChoose))}
            </svg>
          </div>
        ))}
      </div>
      {onChoose === undefined ? undefined : (
        <p class="hint" role="status">
          {chosen === undefined
            ? 'Click a stretch of time: what happened in it is shown.'
            : `${nameSteps(chosen)}: ${order
                .filter((phase) => chosen.seconds[phase] > 0)
                .map((phase) => `${means[phase]}, ${formatSeconds(chosen.seconds[phase])}`)
                .join('; ')}`}
        </p>
      )}
      <ul class="legend">
        {lanes
          .flatMap(({ phases }) => phases as readonly Phase[])
          .filter((phase) => share(phase) > 0)
          .map((phase) => (
            <li key={phase}>
              <span class={`key block k${colors[phase]}`} aria-hidden="true" /> {means[phase]}{' '}
              <b>{formatShare(share(phase))}</b>
            </li>
          ))}
      </ul>
    </div>
  );
}

/** The phases of a step, in the order in which they come. */
const order = lanes.flatMap((lane) => lane.phases as readonly Phase[]);

function nameSteps({ first, last }: Stretch): string {
  return first === last ? `step ${first}` : `steps ${first} to ${last}`;
}

/** Marks the stretch that the keyboard has chosen. */
function markStretch({ start, seconds }: Stretch, total: number): JSX.Element {
  const width = Math.max(4, (lengthOf(seconds) / total) * 1_000);
  return <rect class="mark" x={(start / total) * 1_000} y={0} width={width} height={24} />;
}

function drawStretch(
  stretch: Stretch,
  phases: readonly Phase[],
  total: number,
  onChoose: ((first: number, last: number, phase: Phase) => void) | undefined,
): readonly JSX.Element[] {
  let start = stretch.start;
  return order.flatMap((phase) => {
    const seconds = stretch.seconds[phase];
    const x = (start / total) * 1_000;
    start += seconds;
    if (!phases.includes(phase) || seconds <= 0) return [];
    return [
      <rect
        key={`${stretch.first}${phase}`}
        class={`f${colors[phase]}`}
        x={x}
        y={0}
        width={Math.max(0.5, (seconds / total) * 1_000)}
        height={24}
        onClick={() => onChoose?.(stretch.first, stretch.last, phase)}
      >
        <title>{`${nameSteps(stretch)}: ${means[phase]}, ${formatSeconds(seconds)}`}</title>
      </rect>,
    ];
  });
}

function toStretches(metrics: readonly StepMetrics[]): readonly Stretch[] {
  const size = Math.max(1, Math.ceil(metrics.length / mostStretches));
  const stretches: Stretch[] = [];
  let start = 0;
  for (let index = 0; index < metrics.length; index += size) {
    const lines = metrics.slice(index, index + size);
    const sum = (phase: Phase): number => lines.reduce((total, { seconds }) => total + (seconds[phase] ?? 0), 0);
    const seconds = {
      rollout: sum('rollout'),
      convert: sum('convert'),
      train: sum('train'),
      publish: sum('publish'),
      validate: sum('validate'),
      checkpoint: sum('checkpoint'),
    };
    stretches.push({ first: lines[0]!.step, last: lines.at(-1)!.step, seconds, idle: idleOf(lines), start });
    start += lengthOf(seconds);
  }
  return stretches;
}

function lengthOf(seconds: StepMetrics['seconds']): number {
  return Object.values(seconds).reduce((sum, each) => sum + each, 0);
}

/** Returns the shares of waiting over steps, each step weighed by its length. */
function idleOf(metrics: readonly StepMetrics[]): StepMetrics['idleShare'] {
  const total = metrics.reduce((sum, { seconds }) => sum + lengthOf(seconds), 0) || 1;
  const mean = (side: 'trainer' | 'samplers'): number =>
    metrics.reduce((sum, { seconds, idleShare }) => sum + lengthOf(seconds) * idleShare[side], 0) / total;
  return { trainer: mean('trainer'), samplers: mean('samplers') };
}

function describeWait({ trainer, samplers }: StepMetrics['idleShare']): string {
  const shares = `The training side waited ${formatShare(trainer)} of the time, and the places for agents were empty ${formatShare(samplers)} of it.`;
  if (trainer > 0.5 && trainer > samplers)
    return `${shares} The agents are what takes time: more runners, or a faster sampler, would help most.`;
  if (samplers > 0.5 && samplers > trainer)
    return `${shares} The agents wait for training: sampling ahead, or a smaller update, would help most.`;
  return shares;
}
