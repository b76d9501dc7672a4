import type { GroupDetails, GroupPage, MetricsPage, RolloutDetails, RolloutPage, Snapshot } from '../../../src/api.ts';
import { groupFields, listRollouts, pageGroups, rolloutFields } from '../../../src/http/list-fields.ts';
import { readQuery, type QueryFields, type QueryValues } from '../../../src/http/query-fields.ts';
import { countCommon } from '../../../src/rollouts/count-common.ts';
import type { StepSamples } from '../../../src/samples/shapes.ts';
import { addressOf } from '../../../src/snapshot/address.ts';

/** Answers a route from the file. @throws Error with a sentence for what is wrong, or not in the file */
export function answerFromSnapshot(snapshot: Snapshot, address: string): object {
  const url = new URL(address, 'http://localhost');
  const known = snapshot.replies[url.pathname];
  const parts = url.pathname.split('/').slice(4).map(decodeURIComponent);
  const [list, id, more] = parts;
  if (list === 'samples') return answerSamples(known as StepSamples | undefined, url.searchParams.get('step'));
  if (list === 'metrics') return answerMetrics(known as MetricsPage, Number(url.searchParams.get('after') ?? 0));
  if (known !== undefined) return known;
  if (list === 'rollouts' && id === undefined) return answerRollouts(snapshot, url.searchParams);
  if (list === 'groups' && id === undefined) return answerGroups(snapshot, url.searchParams);
  if (list === 'groups' && more === undefined) return answerGroup(snapshot, id!);
  throw new Error(missing(list, id, more));
}

const elsewhere = 'npx agent-lightning dashboard shows it from the run directory.';

function missing(list: string | undefined, id: string | undefined, more: string | undefined): string {
  if (list === 'rollouts' && more !== undefined) return `The ${more} of ${id} are not in this file: ${elsewhere}`;
  if (list === 'rollouts') return `Of ${id} this file has the line in the table only: ${elsewhere}`;
  return `This is not in the file: ${elsewhere}`;
}

function answerMetrics({ lines }: MetricsPage, after: number): MetricsPage {
  return { lines: lines.filter(({ step }) => step > after) };
}

/** Answers with the samples of the one step that is in the file. */
function answerSamples(known: StepSamples | undefined, step: string | null): StepSamples {
  if (known === undefined) throw new Error(`The samples of the steps are not in this file: ${elsewhere}`);
  if (step !== null && step !== '' && step !== String(known.step))
    throw new Error(`Of the steps, the samples of step ${known.step} alone are in this file: ${elsewhere}`);
  return known;
}

function answerRollouts({ entries, notes }: Snapshot, query: URLSearchParams): RolloutPage {
  const byRollout = new Map(notes.map((note) => [note.rolloutId, note]));
  return { ...listRollouts(entries, readFields(rolloutFields, query), byRollout), isComplete: true };
}

function answerGroups({ entries, failureRewards }: Snapshot, query: URLSearchParams): GroupPage {
  const rewards = new Map(Object.entries(failureRewards).map(([step, reward]) => [Number(step), reward]));
  return { ...pageGroups(entries, rewards, readFields(groupFields, query)), isComplete: true };
}

/** Puts a group together from those of its rollouts that are in the file. */
function answerGroup({ entries, replies, run }: Snapshot, id: string): GroupDetails {
  const members = entries.filter(({ group }) => group === id).toReversed();
  const known = members.flatMap(
    (entry) => (replies[addressOf(run, 'rollouts', entry.id)] as RolloutDetails | undefined) ?? [],
  );
  const [first] = known;
  if (first === undefined) throw new Error(missing('groups', id, undefined));
  const views = known.map(({ view }) => view);
  const left = members.length - known.length;
  return {
    id,
    ...(first.step !== undefined && { step: first.step }),
    task: first.rollout.input,
    rollouts: views,
    common: countCommon(views.map((view) => view.entries)),
    ...(left > 0 && { missing: left }),
  };
}

function readFields<Fields extends QueryFields>(fields: Fields, query: URLSearchParams): QueryValues<Fields> {
  const read = readQuery(fields, query);
  if ('problem' in read) throw new Error(read.problem.message);
  return read.values;
}
