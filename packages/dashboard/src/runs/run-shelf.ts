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

/** The most stores that are open at once: the one that was asked for longest ago is closed first. */
const mostOpen = 4;

/** Shows the runs of a directory. */
export class DirectoryShelf implements RunShelf {
  readonly title: string;
  readonly #place: RunPlace;
  readonly #files: Map<string, RunFiles> = new Map();
  readonly #open: Map<string, Promise<OpenRollouts>> = new Map();

  constructor(place: RunPlace) {
    this.#place = place;
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
    if (files === undefined || !files.hasStore()) return undefined;
    const opened = this.#open.get(id) ?? openRollouts(files.storePath);
    this.#open.delete(id);
    this.#open.set(id, opened);
    opened.catch(() => this.#open.delete(id));
    for (const [oldest] of this.#open) {
      if (this.#open.size <= mostOpen) break;
      const closing = this.#open.get(oldest)!;
      this.#open.delete(oldest);
      void closing.then(closeRollouts, () => undefined);
    }
    return await opened;
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#open.values());
    this.#open.clear();
    for (const each of opened) if (each.status === 'fulfilled') await closeRollouts(each.value);
  }

  #filesOf(id: string, directory: string): RunFiles {
    const files = this.#files.get(id) ?? new RunFiles(directory);
    this.#files.set(id, files);
    return files;
  }
}

async function openRollouts(path: string): Promise<OpenRollouts> {
  // The leases are of the processes that run the agents: nothing is watched over here.
  const store = await openSqliteStore({ path, watchdogIntervalMs: 0 });
  return { store, index: new RolloutIndex(store) };
}

async function closeRollouts({ store, index }: OpenRollouts): Promise<void> {
  await index.close();
  await store.close();
}

/** Shows a store alone, which its opener closes. */
export class StoreShelf implements RunShelf {
  readonly title: string;
  readonly #rollouts: OpenRollouts;

  constructor(store: LightningStore, title: string) {
    this.title = title;
    this.#rollouts = { store, index: new RolloutIndex(store) };
  }

  async list(): Promise<readonly RunSummary[]> {
    return [await this.#summary()];
  }

  async describe(id: string): Promise<RunDetails | undefined> {
    return id === 'store' ? { ...(await this.#summary()), config: {}, findings: [] } : undefined;
  }

  async mark(): Promise<string> {
    return ''; // its rollouts have events of their own
  }

  async files(): Promise<undefined> {
    return undefined;
  }

  async rollouts(id: string): Promise<OpenRollouts | undefined> {
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
