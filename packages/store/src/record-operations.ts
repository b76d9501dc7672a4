import { ChangeNotifier } from './change-notifier.ts';
import type { OperationContext, OperationName, OperationReply } from './operation.ts';
import { operationTable, type Operations } from './operations.ts';
import type { RecordAccess, Write } from './record-access.ts';
import { resolveStoreOptions, type ResolvedStoreOptions, type StoreOptions } from './store-options.ts';
import type { Awaitable, NewStoreEvent, RecordDatabase, RecordReader } from './records.ts';
import { storeClosed } from './store-errors.ts';
import { Watchdog } from './watchdog.ts';

const watchNothing = (): void => undefined;

/** Carries out the operations of a store over a database of records: rules, waiting and the watchdog are the same for every database. */
export class RecordOperations implements Operations {
  readonly #database: RecordDatabase;
  readonly #options: ResolvedStoreOptions;
  readonly #notifier: ChangeNotifier;
  readonly #context: OperationContext;
  #closing: Promise<void> | undefined;

  constructor(database: RecordDatabase, options: StoreOptions = {}) {
    this.#database = database;
    this.#options = resolveStoreOptions(options);
    // A closed store has nothing to watch; the wait ends at its next look.
    this.#notifier = new ChangeNotifier((listener) =>
      this.#closing === undefined ? (database.watch?.(listener) ?? watchNothing) : watchNothing,
    );
    const access: RecordAccess = {
      notifier: this.#notifier,
      read: (work) => this.#read(work),
      write: (work) => this.#write(work),
      now: this.#options.now,
    };
    this.#context = {
      ...access,
      watchdog: new Watchdog(access, this.#options),
      checkIntegrity: async () => (await database.checkIntegrity?.()) ?? [],
    };
  }

  async call<Name extends OperationName>(
    name: Name,
    checked: readonly unknown[],
    signal?: AbortSignal,
  ): Promise<OperationReply<Name>> {
    if (this.#closing !== undefined) throw storeClosed();
    return operationTable[name].perform(this.#context, checked, signal) as Promise<OperationReply<Name>>;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#notifier.notify();
    await this.#database.close();
  }

  async #read<Reply>(work: (records: RecordReader) => Awaitable<Reply>): Promise<Reply> {
    if (this.#closing !== undefined) throw storeClosed();
    return this.#database.read(work);
  }

  async #write<Reply>(work: (write: Write) => Awaitable<Reply>): Promise<Reply> {
    if (this.#closing !== undefined) throw storeClosed();
    let events: NewStoreEvent[] = [];
    const reply = await this.#database.write(async (records) => {
      // A database may run the work again, after a conflict with another process.
      events = [];
      const result = await work({ records, nowMs: this.#options.now(), events, generateId: this.#options.generateId });
      if (events.length > 0) await records.appendEvents(events);
      return result;
    });
    if (events.length > 0) this.#notifier.notify();
    return reply;
  }
}
