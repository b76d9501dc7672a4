import { StoreError, type LightningStore, type Rollout } from '@agent-lightning/core';
import type { RolloutEntry } from '../api.ts';
import { readEntries } from './rollout-entry.ts';

/** The rollouts of one read of the store; the first one is short, so that a page has something to show at once. */
const pageSize = 1_000;
const firstPageSize = 200;
/** The time for which changes are gathered before their rollouts are read again. */
const gatherMs = 300;

/** While agents run, of which spans come all the time, every so manieth look searches for late rewards. */
const busyLooks = 5;

let opened = 0;

/**
 * Keeps a short entry of every rollout of a store in memory, so that lists of any size can be filtered and scrolled at once. It is read
 * in the background, newest first, and follows the store's events afterwards.
 */
export class RolloutIndex {
  readonly #store: LightningStore;
  readonly #ofRun: { readonly runId?: string };
  readonly #closing = new AbortController();
  /** Rollouts that were there at the start, newest first. */
  readonly #older: RolloutEntry[] = [];
  /** Rollouts that came later, oldest first. */
  readonly #newer: RolloutEntry[] = [];
  /** The place of each rollout: from 0 in `#older`, and below 0 in `#newer`. */
  readonly #places: Map<string, number> = new Map();
  readonly #changed: Set<string> = new Set();
  readonly #listeners: Set<() => void> = new Set();
  #newestFirst: readonly RolloutEntry[] | undefined;
  #isComplete = false;
  #version = 0;
  /** Tells this list from others of the same run, which were opened before or after it. */
  readonly serial: number = (opened += 1);
  #failure: unknown;
  #gathering: NodeJS.Timeout | undefined;
  #updating: Promise<void> = Promise.resolve();
  #finishedStep: number;
  /** The spans of the store when a search for late rewards began last, and the place where it is: it goes from the newest to the oldest. */
  #searchedSpans = 0;
  #searchPlace = Infinity;
  #looks = 0;
  #isLooking = false;
  readonly #work: Promise<unknown>;

  /**
   * @param finishedStep the newest step that was finished before
   * @param runId the run whose rollouts are kept; undefined for all of the store's
   */
  constructor(store: LightningStore, finishedStep: number = 0, runId?: string) {
    this.#store = store;
    this.#ofRun = runId === undefined ? {} : { runId };
    this.#finishedStep = finishedStep;
    this.#work = Promise.all([this.#follow(), this.#readAll()].map((work) => this.#keepFailure(work)));
  }

  /** The entries that were read so far, newest first. @throws what reading the store met */
  entries(): readonly RolloutEntry[] {
    if (this.#failure !== undefined) throw this.#failure;
    this.#newestFirst ??= this.#newer.length === 0 ? [...this.#older] : [...this.#newer.toReversed(), ...this.#older];
    return this.#newestFirst;
  }

  /** True when every rollout that was there at the start has been read. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** True when reading the store failed: what is missing is not read any more. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Grows with every change. */
  get version(): number {
    return this.#version;
  }

  /** Calls a listener after each change, until the function that it returns is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when the newest rollouts have been read. @throws what reading the store met */
  async whenBegun(): Promise<void> {
    if (this.#version === 0) await this.#nextChange();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when every rollout that was there at the start has been read. @throws what reading the store met */
  async whenComplete(): Promise<void> {
    while (!this.#isComplete && this.#failure === undefined) await this.#nextChange();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /**
   * Takes note of the newest step that is finished, and reads the rollouts of those that are new to it again: rewards may have been
   * written after they ended, of which the store tells nothing.
   */
  noteFinished(step: number): void {
    const before = this.#finishedStep;
    this.#finishedStep = step; // it goes back where a run is resumed
    if (step <= before) return;
    for (const entry of this.entries())
      if (entry.step !== undefined && entry.step > before && entry.step <= step) this.#readAgain(entry.id);
  }

  /**
   * Looks for rewards that were written after their rollouts had ended, of which the store tells nothing: where its spans have become more,
   * the rewards of the next rollouts are read again, a page at each look. Call it every second while somebody watches.
   */
  async lookForLateRewards(): Promise<void> {
    if (!this.#isComplete || this.#isLooking || this.#failure !== undefined) return;
    this.#isLooking = true;
    await this.#keepFailure(this.#searchPage());
    this.#isLooking = false;
  }

  async #searchPage(): Promise<void> {
    const { spans, rollouts } = await this.#store.statistics();
    const entries = this.entries();
    this.#looks += 1;
    if (this.#searchPlace >= entries.length) {
      if (spans === this.#searchedSpans) return;
      this.#searchedSpans = spans;
      this.#searchPlace = 0;
    }
    if (rollouts.running + rollouts.preparing > 0 && this.#looks % busyLooks !== 0) return;
    const known = entries.slice(this.#searchPlace, this.#searchPlace + pageSize);
    this.#searchPlace += pageSize;
    const rolloutIds = known.filter(({ status }) => status === 'succeeded').map(({ id }) => id);
    if (rolloutIds.length === 0) return;
    const { items } = await this.#store.queryRollouts({ rolloutIds, limit: pageSize });
    const rewards = new Map(known.map(({ id, reward }) => [id, reward]));
    const changed = (await readEntries(this.#store, items)).filter(({ id, reward }) => reward !== rewards.get(id));
    for (const entry of changed) this.#put(entry);
    if (changed.length > 0) this.#tellChange();
  }

  /** Ends the reading; who waits for it is told that it is closed. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#failure ??= new StoreError('the rollouts were closed while they were read; ask again', {
      code: 'store-closed',
    });
    this.#tellChange();
    clearTimeout(this.#gathering);
    await this.#work;
    await this.#updating;
  }

  async #nextChange(): Promise<void> {
    await new Promise<void>((resolve) => {
      const stop = this.onChange(() => {
        stop();
        resolve();
      });
    });
  }

  async #readAll(): Promise<void> {
    let cursor: string | undefined;
    // What is written from now on may be missing in what is read.
    const asked = this.#store.statistics();
    asked.catch(() => undefined); // it is awaited below
    do {
      const page = await this.#store.queryRollouts({
        ...this.#ofRun,
        order: 'desc',
        limit: cursor === undefined ? firstPageSize : pageSize,
        ...(cursor !== undefined && { cursor }),
      });
      for (const entry of await readEntries(this.#store, page.items)) {
        if (this.#places.has(entry.id)) continue;
        this.#places.set(entry.id, this.#older.length);
        this.#older.push(entry);
      }
      cursor = page.nextCursor;
      if (cursor === undefined) this.#searchedSpans = (await asked).spans;
      this.#isComplete = cursor === undefined;
      this.#tellChange();
    } while (cursor !== undefined && !this.#closing.signal.aborted);
  }

  async #follow(): Promise<void> {
    for await (const event of this.#store.subscribe({ signal: this.#closing.signal })) {
      if (event.type !== 'rollout') continue;
      this.#readAgain(event.id);
    }
  }

  #readAgain(id: string): void {
    this.#changed.add(id);
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      this.#updating = this.#updating.then(() => this.#keepFailure(this.#update()));
    }, gatherMs);
  }

  /** Reads the rollouts that changed, in the order in which they were queued. */
  async #update(): Promise<void> {
    const rolloutIds = [...this.#changed];
    this.#changed.clear();
    for (let first = 0; first < rolloutIds.length && !this.#closing.signal.aborted; first += pageSize) {
      const query = { ...this.#ofRun, rolloutIds: rolloutIds.slice(first, first + pageSize), limit: pageSize };
      const rollouts: readonly Rollout[] = (await this.#store.queryRollouts(query)).items;
      for (const entry of await readEntries(this.#store, rollouts)) this.#put(entry);
    }
    this.#tellChange();
  }

  #put(entry: RolloutEntry): void {
    const place = this.#places.get(entry.id);
    if (place === undefined) {
      this.#newer.push(entry);
      this.#places.set(entry.id, -this.#newer.length);
    } else if (place >= 0) this.#older[place] = entry;
    else this.#newer[-place - 1] = entry;
  }

  #tellChange(): void {
    this.#version += 1;
    this.#newestFirst = undefined;
    for (const listener of this.#listeners) listener();
  }

  async #keepFailure(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      this.#failure = error;
      this.#tellChange();
    }
  }
}
