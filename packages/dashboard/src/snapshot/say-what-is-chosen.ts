import type { RunExamples } from '../api.ts';
import type { SnapshotEntries } from './read-entries.ts';

interface Choice {
  readonly found: SnapshotEntries;
  readonly examples: RunExamples;
  /** The rollouts that were to be there as a whole, and those that are. */
  readonly wanted: readonly string[];
  readonly whole: ReadonlySet<string>;
  /** The number of rollouts that are there token by token. */
  readonly tokens: number;
}

/** Says which rollouts a snapshot has, and why these. */
export function sayWhatIsChosen({ found, examples, wanted, whole, tokens }: Choice): readonly string[] {
  const { entries, isAll } = found;
  const { failures, lastStep, heldOut, kept } = examples;
  const reasons = [
    ...(failures.length === 0 ? [] : ['the newest ones of each kind of failure']),
    ...(lastStep === undefined ? [] : [`those of the last step, ${lastStep.step}`]),
    ...(heldOut.length === 0 ? [] : ['held-out tasks before and after training, first those whose reward rose']),
    ...(kept.length === 0 ? [] : ['one group of the first and of the last step, as it was trained on']),
  ];
  const missing = wanted.length - whole.size;
  return [
    isAll
      ? `The lists have all ${entries.length} rollouts of the run.`
      : `The lists have ${entries.length} rollouts of the run: the newest ones, the newest that failed, and the first validation.`,
    ...(whole.size === 0 ? [] : [`${whole.size} rollouts can be opened: ${reasons.join('; ')}.`]),
    ...(missing === 0 ? [] : [`${missing} more of these are left out, since the file would be too large.`]),
    ...(tokens === 0 ? [] : [`${tokens} of them can be read token by token.`]),
  ];
}
