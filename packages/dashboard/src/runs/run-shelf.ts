import { stat } from 'node:fs/promises';
import type { LightningStore } from '@agent-lightning/core';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import type { RunDetails, RunSummary } from '../api.ts';
import { RolloutIndex } from '../rollouts/rollout-index.ts';
import { describeRun, describeUnreadable, summarizeRun } from './describe-run.ts';
import { listRunDirectories, type RunPlace } from './find-runs.ts';
import { isTraining } from './is-training.ts';
import { RunFiles } from './run-files.ts';

/** The rollouts of a run: its store, and the list of them in memory. */
export interface OpenRollouts {
  readonly store: LightningStore;
  readonly index: RolloutIndex;
  /** The run whose rollouts are shown, of a store that may have those of others; absent where all are shown. */
  readonly runId?: string;
  /** True for a store that its opener closes. */
  readonly isShared?: boolean;
}

/** A source of runs: run directories, or one store alone. */
export interface RunShelf {
  /** Says what is shown. */
  readonly title: string;
  list(): Promise<readonly RunSummary[]>;
  describe(id: string): Promise<RunDetails | undefined>;
  /** Returns a text that changes when the files of a run change, or those of any run where no id is given. */
  mark(id: string | null): Promise<string>;
  /** Returns the files of a run; undefined for a store alone, and an id that there is not. */
  files(id: string): Promise<RunFiles | undefined>;
  /** Opens the rollouts of a run; undefined where it has no store here. */
  rollouts(id: string): Promise<OpenRollouts | undefined>;
  close(): Promise<void>;
}

/** The most stores that stay open without being asked for in the last half minute: the one that was asked for longest ago is closed first. */
const mostOpen = 4;
const idleMs = 30_000;

/** The rollouts of a run that are open, or are being opened. */
interface OpenEntry {
  /** The number of the store's file and when it was made: a directory that was made anew has another one. */
  readonly file: string;
  readonly opened: Promise<OpenRollouts>;
  usedAtMs: number;
  /** Undefined while they are being opened. */
  index?: RolloutIndex;
}

/** Shows the runs of a directory. */
export class DirectoryShelf implements RunShelf {
  readonly title: string;
  readonly #place: RunPlace;
  readonly #otherStore: LightningStore | undefined;
  readonly #files: Map<string, RunFiles> = new Map();
  readonly #open: Map<string, OpenEntry> = new Map();

  /** @param otherStore the store of runs that have none in their directory; its opener closes it */
  constructor(place: RunPlace, otherStore?: LightningStore) {
    this.#place = place;
    this.#otherStore = otherStore;
    this.title = place.path;
  }

  async list(): Promise<readonly RunSummary[]> {
    const directories = await listRunDirectories(this.#place);
    const runs = await Promise.all(
      [...directories].map(async ([id, directory]) => {
        const files = this.#filesOf(id, directory);
        return await summarizeRun(id, files).catch((error: unknown) => describeUnreadable(id, files, error));
      }),
    );
    return runs
      .filter((run) => run !== undefined)
      .toSorted((a, b) => ((a.startedAt ?? '') < (b.startedAt ?? '') ? 1 : -1));
  }

  async describe(id: string): Promise<RunDetails | undefined> {
    const files = await this.files(id);
    return files === undefined ? undefined : await describeRun(id, files);
  }

  async mark(id: string | null): Promise<string> {
    if (id !== null) {
      const files = await this.files(id);
      return files === undefined ? '' : `${await files.mark()} ${isTraining(files.directory)}`;
    }
    const directories = [...(await listRunDirectories(this.#place))];
    return (await Promise.all(directories.map(([name, path]) => this.#filesOf(name, path).mark()))).join('\n');
  }

  async files(id: string): Promise<RunFiles | undefined> {
    const directory = (await listRunDirectories(this.#place)).get(id);
    return directory === undefined ? undefined : this.#filesOf(id, directory);
  }

  async rollouts(id: string): Promise<OpenRollouts | undefined> {
    const files = await this.files(id);
    const file = files === undefined ? undefined : await stat(files.storePath).catch(() => undefined); // it has none
    const other = file === undefined ? this.#otherStore : undefined;
    if (files === undefined || (file === undefined && other === undefined)) return undefined;
    const finishedStep = await readFinishedStep(files);
    const runId = other === undefined ? '' : ((await files.record())?.runId ?? '');
    const mark = file === undefined ? `elsewhere ${runId}` : `${file.ino} ${file.birthtimeMs}`;
    const opened = this.#openOnce(id, mark, async () =>
      other === undefined
        ? await openRollouts(files.storePath, finishedStep)
        : { store: other, index: new RolloutIndex(other, finishedStep, runId), runId, isShared: true },
    );
    this.#closeIdle();
    const rollouts = await opened;
    rollouts.index.noteFinished(finishedStep);
    return rollouts;
  }

  /** Returns the rollouts of a run that are open; opens them where none are, where their file is another one now, and where reading it failed. */
  #openOnce(id: string, file: string, openAgain: () => Promise<OpenRollouts>): Promise<OpenRollouts> {
    const known = this.#open.get(id);
    this.#open.delete(id);
    const isKept = known !== undefined && known.file === file && known.index?.hasFailed !== true;
    if (known !== undefined && !isKept) void known.opened.then(closeRollouts, () => undefined);
    const entry: OpenEntry = isKept ? known : { file, opened: openAgain(), usedAtMs: 0 };
    entry.usedAtMs = Date.now();
    this.#open.set(id, entry);
    if (!isKept)
      entry.opened.then(
        ({ index }) => (entry.index = index),
        () => this.#open.get(id) === entry && this.#open.delete(id),
      );
    return entry.opened;
  }

  /** Closes the rollouts that were asked for longest ago, where too many are open; pages that are shown ask for theirs each second. */
  #closeIdle(): void {
    for (const [id, { opened, usedAtMs }] of this.#open) {
      if (this.#open.size <= mostOpen || Date.now() - usedAtMs < idleMs) return;
      this.#open.delete(id);
      void opened.then(closeRollouts, () => undefined);
    }
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled([...this.#open.values()].map((entry) => entry.opened));
    this.#open.clear();
    for (const each of opened) if (each.status === 'fulfilled') await closeRollouts(each.value);
  }

  #filesOf(id: string, directory: string): RunFiles {
    const files = this.#files.get(id) ?? new RunFiles(directory, this.#otherStore !== undefined);
    this.#files.set(id, files);
    return files;
  }
}

async function readFinishedStep(files: RunFiles): Promise<number> {
  return (await files.metrics()).at(-1)?.step ?? 0;
}

async function openRollouts(path: string, finishedStep: number): Promise<OpenRollouts> {
  // The leases are of the processes that run the agents: nothing is watched over here.
  const store = await openSqliteStore({ path, watchdogIntervalMs: 0 });
  return { store, index: new RolloutIndex(store, finishedStep) };
}

async function closeRollouts({ store, index, isShared = false }: OpenRollouts): Promise<void> {
  await index.close();
  if (!isShared) await store.close();
}

/** Shows a store alone, which its opener closes. */
export class StoreShelf implements RunShelf {
  readonly title: string;
  #rollouts: OpenRollouts;

  constructor(store: LightningStore, title: string) {
    this.title = title;
    this.#rollouts = { store, index: new RolloutIndex(store) };
  }

  async list(): Promise<readonly RunSummary[]> {
    return [await this.#summary()];
  }

  async describe(id: string): Promise<RunDetails | undefined> {
    return id === 'store' ? { ...(await this.#summary()), config: {}, findings: [], charts: [] } : undefined;
  }

  async mark(): Promise<string> {
    return ''; // its rollouts have events of their own
  }

  async files(): Promise<undefined> {
    return undefined;
  }

  async rollouts(id: string): Promise<OpenRollouts | undefined> {
    const { store, index } = this.#rollouts;
    if (index.hasFailed) {
      this.#rollouts = { store, index: new RolloutIndex(store) };
      void index.close();
    }
    return id === 'store' ? this.#rollouts : undefined;
  }

  async close(): Promise<void> {
    await this.#rollouts.index.close();
  }

  async #summary(): Promise<RunSummary> {
    const { rollouts } = await this.#rollouts.store.statistics();
    return {
      id: 'store',
      directory: this.title,
      state: 'store',
      steps: 0,
      rollouts: Object.values(rollouts).reduce((sum, count) => sum + count, 0),
      failed: rollouts.failed,
      wallSeconds: 0,
      curve: [],
      ailments: [],
      hasStore: true,
    };
  }
}
