import type { RunExamples } from '../api.ts';
import type { SnapshotEntries } from './read-entries.ts';

interface Choice {
  readonly found: SnapshotEntries;
  readonly examples: RunExamples;
  /** The number of rollouts that are there as a whole, and of those that were to be and are not in the store. */
  readonly whole: number;
  readonly gone: number;
  /** The number of rollouts that are there token by token. */
  readonly tokens: number;
}

/** Says which rollouts a snapshot has, and why these. */
export function sayWhatIsChosen({ found, examples, whole, gone, tokens }: Choice): readonly string[] {
  const { entries, isAll } = found;
  const { failures, lastStep, heldOut, kept } = examples;
  const reasons = [
    ...(failures.length === 0 ? [] : ['the newest ones of each kind of failure']),
    ...(lastStep === undefined ? [] : [`those of the last step, ${lastStep.step}`]),
    ...(heldOut.length === 0 ? [] : ['held-out tasks before and after training, first those whose reward rose']),
    ...(kept.length === 0 ? [] : ['one group of the first and of the last step, as it was trained on']),
  ];
  return [
    isAll
      ? `The lists have all ${entries.length} rollouts of the run.`
      : `The lists have ${entries.length} rollouts of the run: the newest ones, the newest that failed, and the first validation.`,
    ...(whole === 0 ? [] : [`${whole} rollouts can be opened: ${reasons.join('; ')}.`]),
    ...(gone === 0 ? [] : [`${gone} more of these are no longer in the store.`]),
    ...(tokens === 0 ? [] : [`${tokens} of them can be read token by token.`]),
  ];
}

/** Says what a snapshot does not have since it would be too large. */
export function sayWhatIsLeftOut(leftOut: readonly string[]): readonly string[] {
  return leftOut.length === 0 ? [] : [`Left out, since the file would be too large: ${leftOut.join('; ')}.`];
}
