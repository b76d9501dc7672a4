import { createHash } from 'node:crypto';
import { check, toEpisode, type AlgorithmHost, type Episode, type JsonValue } from '@agent-lightning/core';
import { readStoredRollouts, ShuffledControl } from '@agent-lightning/run';
import { encodeEpisode } from './encode-episode.ts';
import { selectDemonstrations, type Selection } from './select-demonstrations.ts';
import type { SftSettings } from './sft-options.ts';
import { fitCalls } from './fit-calls.ts';
import { describeLeftOut } from './sft-metrics.ts';

/** The stored rollouts that a run imitates. */
export interface StoredDemonstrations {
  readonly selection: Selection;
  /** Calls of all that was read: those whose text was encoded, and those that cannot be. */
  readonly calls: { readonly rendered: number; readonly leftOut: number };
  /** Calls of what is imitated: those that train as the tokens that were captured, and those whose text was encoded. */
  readonly keptCalls: { readonly exact: number; readonly rendered: number };
  /** Changes with what is imitated, and in which order. */
  readonly digest: string;
}

/** The parts of a run that decide what of a store is imitated. */
type Reading = Pick<AlgorithmHost, 'backend' | 'policies' | 'seed' | 'isControl'>;

/** Reads a store once for each run: to count its steps, and to imitate. */
export class StoredReader {
  readonly #settings: SftSettings;
  #newest: { readonly host: Reading; readonly demonstrations: Promise<StoredDemonstrations> } | undefined;

  constructor(settings: SftSettings) {
    this.#settings = settings;
  }

  read(host: Reading): Promise<StoredDemonstrations> {
    const before = this.#newest?.host;
    const isSame = (['backend', 'policies', 'seed', 'isControl'] as const).every(
      (part) => before?.[part] === host[part],
    );
    if (!isSame) this.#newest = { host, demonstrations: this.#readAnew(host) };
    return this.#newest!.demonstrations;
  }

  /** Reads the store, and forgets an attempt that failed: the next one reads again. */
  async #readAnew(host: Reading): Promise<StoredDemonstrations> {
    try {
      return await readStoredDemonstrations(this.#settings, host);
    } catch (error) {
      this.#newest = undefined;
      throw error;
    }
  }
}

/**
 * Reads the rollouts of a store that are to be imitated. In a control run their rewards are permuted among them before they are selected.
 * @throws {ConfigurationError} `option-invalid` where there is no store, or nothing in it that can be imitated
 */
async function readStoredDemonstrations(
  settings: SftSettings,
  { backend, policies, seed, isControl }: Reading,
): Promise<StoredDemonstrations> {
  const source = settings.from!;
  const { store, runId, modes, agentMatch } = source;
  const encode = backend!.encodeAnswer!.bind(backend);
  const { maxSampleTokens } = await backend!.capabilities();
  const episodes: Episode[] = [];
  const encodings = new Map<string, { readonly exact: number; readonly rendered: number }>();
  const calls = { rendered: 0, leftOut: 0 };
  const others = new Map<string, number>();
  for await (const { rollout, spans } of readStoredRollouts({ store, owner: 'sft.from', ...(runId && { runId }) })) {
    if (!modes.includes(rollout.mode)) {
      others.set(rollout.mode, (others.get(rollout.mode) ?? 0) + 1);
      continue;
    }
    const encoded = await encodeEpisode(toEpisode(rollout, spans), spans, { encode, policies, agentMatch });
    const [episode] = fitCalls([encoded.episode], { maxSampleTokens });
    encodings.set(rollout.rolloutId, encoded);
    calls.rendered += encoded.rendered;
    calls.leftOut += episode!.untrainable.length;
    episodes.push(episode!);
  }
  if (episodes.length === 0) throw nothingThere(settings, others);
  const given = isControl ? new ShuffledControl({ seed, comparesSteps: false }).give(0, episodes, 'learn') : episodes;
  const selection = selectDemonstrations(given, settings, ({ rollout }) => canonicalJson(rollout.input));
  if (selection.kept.length === 0) throw nothingFit(settings, episodes, selection);
  const kept = selection.kept.map((episode) => encodings.get(episode.rollout.rolloutId)!);
  const keptCalls = {
    exact: kept.reduce((sum, { exact }) => sum + exact, 0),
    rendered: kept.reduce((sum, { rendered }) => sum + rendered, 0),
  };
  return { selection, calls, keptCalls, digest: digestOf(selection.kept) };
}

function nothingFit({ from }: SftSettings, episodes: readonly Episode[], { leftOut }: Selection): Error {
  const reason = episodes.flatMap(({ untrainable }) => untrainable)[0]?.reason;
  return check.optionInvalid(
    'sft.from',
    placeOf(from!),
    `a store with rollouts that can be imitated; of ${episodes.length} none can (${describeLeftOut(leftOut)})${reason === undefined ? '' : `; of their calls, such as: ${reason}`}`,
  );
}

function placeOf({ store }: NonNullable<SftSettings['from']>): string {
  return typeof store === 'string' ? store : 'a store of your own';
}

function nothingThere({ from }: SftSettings, others: ReadonlyMap<string, number>): Error {
  const { runId, modes } = from!;
  const other = [...others].map(([mode, count]) => `${count} of mode ${mode}`).join(', ');
  return check.optionInvalid(
    'sft.from',
    placeOf(from!),
    `a store with rollouts of mode ${modes.join(' or ')}${runId === undefined ? '' : ` of the run ${runId}`} that ended${other === '' ? '' : `; it has ${other}: choose by from: { store, modes } (live traffic has the mode test, like the held-out tasks of a verdict)`}`,
  );
}

function digestOf(kept: readonly Episode[]): string {
  const hash = createHash('sha256');
  for (const { rollout, transitions } of kept) {
    hash.update(rollout.rolloutId);
    for (const { promptIds, responseIds } of transitions)
      hash.update(`${promptIds.join(' ')}>${responseIds.join(' ')}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

/** Writes JSON that does not depend on the order of keys, so that equal tasks are one. */
function canonicalJson(value: JsonValue): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : each,
  );
}
