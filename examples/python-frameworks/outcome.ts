/** What came out of the runs of one framework. */
import { describeVerdict, type TrainingResult } from '@agent-lightning/trainer';

/** The figures of one run: rewards on held-out questions, sampled as in training, of the starting model and of the last step. */
export interface RunFigures {
  readonly before: number;
  readonly after: number;
  readonly gain: number;
  readonly interval: readonly [low: number, high: number];
  /** Rewards on held-out questions without randomness, by step. */
  readonly curve: readonly (readonly [step: number, reward: number])[];
  readonly seconds: number;
}

export interface Outcome {
  readonly figures: Partial<RunFigures> & { readonly control?: RunFigures };
  /** Undefined where that was not run. */
  readonly isRising: boolean | undefined;
  readonly isControlFlat: boolean | undefined;
  readonly text: string;
}

/** The least gain of a curve that rises, in units of reward, as for the quickstarts of the frameworks in JavaScript. */
const leastGain = 0.15;

type Result = Pick<TrainingResult, 'verdict' | 'curve' | 'wallSeconds'>;

function toFigures({ verdict, curve, wallSeconds }: Result): RunFigures | undefined {
  if (verdict === undefined) return undefined;
  const { baseline, candidate, gain, interval } = verdict;
  const points = curve.flatMap(({ step, validation }) =>
    validation === undefined ? [] : [[step, round(validation)] as const],
  );
  return {
    before: round(baseline.reward),
    after: round(candidate.reward),
    gain: round(gain),
    interval: [round(interval[0]), round(interval[1])],
    curve: points,
    seconds: Math.round(wallSeconds),
  };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;

/** Sums up a framework's run and its control: the one must gain enough, with its whole interval above 0, and the other neither. */
export function toOutcome({ none, shuffled }: { readonly none?: Result; readonly shuffled?: Result }): Outcome {
  const [trained, control] = [none, shuffled].map((result) => result && toFigures(result));
  const isRising = none && trained !== undefined && trained.gain >= leastGain && trained.interval[0] > 0;
  const isControlFlat = shuffled && control !== undefined && control.gain < leastGain && control.interval[0] <= 0;
  const texts = [none, shuffled].map((result) =>
    result?.verdict === undefined ? undefined : describeVerdict(result.verdict),
  );
  return {
    figures: { ...trained, ...(control !== undefined && { control }) },
    isRising,
    isControlFlat,
    text: [texts[0], texts[1] === undefined ? undefined : `control: ${texts[1]}`]
      .filter((each) => each !== undefined)
      .join('; '),
  };
}

/** Judges all outcomes: whether every agent became better, and whether no control did; undefined where none of that kind was run, which is no failure. */
export function judge(outcomes: readonly Pick<Outcome, 'isRising' | 'isControlFlat'>[]) {
  const all = (answers: readonly (boolean | undefined)[]): boolean | undefined =>
    answers.every((answer) => answer === undefined) ? undefined : answers.every((answer) => answer !== false);
  const rising = all(outcomes.map(({ isRising }) => isRising));
  const controlsFlat = all(outcomes.map(({ isControlFlat }) => isControlFlat));
  return { rising, controlsFlat, ok: rising !== false && controlsFlat !== false };
}
