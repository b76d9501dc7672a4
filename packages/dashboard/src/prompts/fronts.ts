/** The part of a candidate that fronts are made of. */
interface Scored {
  readonly scores?: readonly number[];
  readonly rewards?: readonly Readonly<Record<string, number>>[];
}

/** Finds, for each of the tasks, the candidates that no other one beats there, by their positions; equal ones all belong. */
export function findLeaders(candidates: readonly Scored[], tasks: number): readonly (readonly number[])[] {
  const scored = [...candidates.entries()].filter(([, { scores }]) => scores?.length === tasks);
  return Array.from({ length: tasks }, (_, task) => {
    const best = Math.max(...scored.map(([, { scores }]) => scores![task]!));
    return scored.filter(([, { scores }]) => scores![task] === best).map(([position]) => position);
  });
}

/** Returns the mean of each dimension over the tasks; where a rollout did not name one, its reward stands for it. Undefined without rewards. */
export function meansOf(
  { scores, rewards }: Scored,
  dimensions: readonly string[],
): Readonly<Record<string, number>> | undefined {
  if (rewards === undefined || scores === undefined || scores.length === 0) return undefined;
  return Object.fromEntries(
    dimensions.map((name) => [name, meanOf(scores.map((score, task) => rewards[task]?.[name] ?? score))!]),
  );
}

/** Finds the positions that no other one beats: at least as good in every dimension, and better in one. Undefined ones are beaten. */
export function findUndominated(means: readonly (Readonly<Record<string, number>> | undefined)[]): ReadonlySet<number> {
  const isBeaten = (own: Readonly<Record<string, number>>): boolean =>
    means.some((other) => {
      if (other === undefined) return false;
      const names = Object.keys(own);
      return names.every((name) => other[name]! >= own[name]!) && names.some((name) => other[name]! > own[name]!);
    });
  return new Set(
    [...means.entries()].flatMap(([position, own]) => (own === undefined || isBeaten(own) ? [] : position)),
  );
}

/** Returns the mean of some numbers; undefined where there is none. */
export function meanOf(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}
