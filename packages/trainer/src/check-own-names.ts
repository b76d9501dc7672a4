import { check } from '@agent-lightning/core';

/** The names of the line of every run that are not in each line. */
const optionalNames: ReadonlySet<string> = new Set(['validation', 'answers', 'ailments']);

/** Rejects metrics of an algorithm that would replace those of every run. */
export function checkOwnNames(algorithm: string, own: object, common: object): void {
  const taken = Object.keys(own).find((name) => optionalNames.has(name) || name in common);
  if (taken !== undefined)
    throw check.optionInvalid(`${algorithm}: a metric`, taken, 'named otherwise; the line of every run has that name');
}
