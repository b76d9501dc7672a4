import { randomUUID } from 'node:crypto';
import type { RecordAccess } from './record-access.ts';
import type { ResolvedStoreOptions } from './store-options.ts';
import { deletedPerWrite, deleteEnded, sweepOverdue } from './store-writes.ts';

const overduePerWrite = 200;
/** Old events and rollouts are removed once in so many turns of the watchdog, and whenever it has other work. */
const turnsPerTrim = 100;

type WatchdogOptions = Pick<ResolvedStoreOptions, 'watchdogIntervalMs' | 'keepEvents' | 'keepEndedMs'>;

/** Ends what is overdue, and removes old events and rollouts. */
export class Watchdog {
  readonly #access: RecordAccess;
  readonly #options: WatchdogOptions;
  readonly #holder: string = randomUUID();
  #turns: number = 0;

  constructor(access: RecordAccess, options: WatchdogOptions) {
    this.#access = access;
    this.#options = options;
  }

  /** Does all that is due now; returns how many attempts and rollouts it ended. */
  async run(): Promise<number> {
    await this.#access.write(({ records }) => records.trimEvents(this.#options.keepEvents));
    const total = await this.#endOverdue();
    await this.#deleteEnded();
    return total;
  }

  async #endOverdue(): Promise<number> {
    for (let total = 0; ;) {
      const { seen, ended } = await this.#access.write((write) => sweepOverdue(write, overduePerWrite));
      total += ended;
      if (seen < overduePerWrite || ended === 0) return total;
    }
  }

  /** Deletes in small writes, between which others get their turn. */
  async #deleteEnded(): Promise<void> {
    const { keepEndedMs } = this.#options;
    if (keepEndedMs === Infinity) return;
    let deleted = deletedPerWrite;
    while (deleted === deletedPerWrite)
      deleted = await this.#access.write((write) => deleteEnded(write, write.nowMs - keepEndedMs + 1));
  }

  /** Runs when something is due, and this process has the watchdog's lease. */
  async takeTurn(): Promise<void> {
    const deadlineMs = await this.#access.read((records) => records.readNextDeadlineMs());
    const nowMs = this.#access.now();
    const isTrimDue = ++this.#turns % turnsPerTrim === 0;
    if ((deadlineMs === undefined || deadlineMs > nowMs) && !isTrimDue) return;
    // Without an interval of its own, whoever asks for turns does so about once a second.
    const leaseMs = 3 * (this.#options.watchdogIntervalMs || 1_000);
    const isHolder = await this.#access.write(({ records }) =>
      records.takeWatchdog(this.#holder, nowMs, nowMs + leaseMs),
    );
    if (isHolder) await this.run();
  }
}
