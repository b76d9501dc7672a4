import { randomUUID } from 'node:crypto';
import type { RecordAccess } from './record-access.ts';
import type { ResolvedStoreOptions } from './store-options.ts';
import { sweepOverdue } from './store-writes.ts';

const overduePerWrite = 200;
/** Events are trimmed once in so many turns of the watchdog, and whenever it has other work. */
const turnsPerTrim = 100;

/** Ends what is overdue, and removes old events. */
export class Watchdog {
  readonly #access: RecordAccess;
  readonly #options: Pick<ResolvedStoreOptions, 'watchdogIntervalMs' | 'keepEvents'>;
  readonly #holder: string = randomUUID();
  #turns: number = 0;

  constructor(access: RecordAccess, options: Pick<ResolvedStoreOptions, 'watchdogIntervalMs' | 'keepEvents'>) {
    this.#access = access;
    this.#options = options;
  }

  /** Does all that is due now; returns how many attempts and rollouts it ended. */
  async run(): Promise<number> {
    await this.#access.write(({ records }) => records.trimEvents(this.#options.keepEvents));
    for (let total = 0; ;) {
      const { seen, ended } = await this.#access.write((write) => sweepOverdue(write, overduePerWrite));
      total += ended;
      if (seen < overduePerWrite || ended === 0) return total;
    }
  }

  /** Runs when something is due, and this process has the watchdog's lease. */
  async takeTurn(): Promise<void> {
    const deadlineMs = await this.#access.read((records) => records.readNextDeadlineMs());
    const nowMs = this.#access.now();
    const isTrimDue = ++this.#turns % turnsPerTrim === 0;
    if ((deadlineMs === undefined || deadlineMs > nowMs) && !isTrimDue) return;
    const isHolder = await this.#access.write(({ records }) =>
      records.takeWatchdog(this.#holder, nowMs, nowMs + 3 * this.#options.watchdogIntervalMs),
    );
    if (isHolder) await this.run();
  }
}
