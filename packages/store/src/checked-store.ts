import { LightningError, type LightningStore, type StoreEvent } from '@agent-lightning/core';
import type { WaitOptions } from './contract-types.ts';
import type { Operation } from './operation.ts';
import { methodTable, operationTable, type Operations } from './operations.ts';
import { resolveStoreOptions, type StoreOptions } from './store-options.ts';
import { followEvents } from './waiting.ts';
import { WatchdogTimer } from './watchdog-timer.ts';

/** Has the methods of a store in its type only: `CheckedStore` makes them from the table of operations. */
const StoreShape: abstract new () => LightningStore = class {} as never;

/** Marks a store of ours in any copy of this package. */
const operationsKey: symbol = Symbol.for('agentlightning.store.operations');

/** Checks and copies what callers give, and hands it on to the operations, which are carried out in this thread or elsewhere. */
export class CheckedStore extends StoreShape {
  readonly #operations: Operations;
  /** Runs on this side, where heartbeats are sent: a thread that stood still must not find its leases taken before it could send one. */
  readonly #watchdog: WatchdogTimer;
  /** The positions from which subscriptions begin, while they are read. */
  readonly #positions = new Set<Promise<string>>();

  static {
    for (const [name, operation] of Object.entries(methodTable)) {
      const { kind, check } = operation as Operation<readonly unknown[], unknown>;
      const method = async function (this: CheckedStore, ...given: readonly unknown[]): Promise<unknown> {
        const checked = check(...given);
        const changes = kind === 'write' || kind === 'upkeep';
        // A database may carry out the two in any order, and a subscription has every event from the moment of its call.
        if (changes && this.#positions.size > 0) await Promise.allSettled(this.#positions);
        const signal = kind === 'wait' ? (given[1] as WaitOptions | undefined)?.signal : undefined;
        return this.#operations.call(name as keyof typeof methodTable, checked, signal);
      };
      Object.defineProperty(this.prototype, name, { value: method, writable: true, configurable: true });
    }
  }

  /** Returns what carries out the operations of a store of ours, for those who pass them on; undefined for another store. */
  static operationsOf(store: LightningStore): Operations | undefined {
    return (store as unknown as Readonly<Record<symbol, Operations | undefined>>)[operationsKey];
  }

  constructor(operations: Operations, options: Pick<StoreOptions, 'watchdogIntervalMs'> = {}) {
    super();
    this.#operations = operations;
    Object.defineProperty(this, operationsKey, { value: operations });
    this.#watchdog = new WatchdogTimer(resolveStoreOptions(options).watchdogIntervalMs, () => this.#watch());
  }

  override subscribe(
    options: { readonly cursor?: string; readonly signal?: AbortSignal } = {},
  ): AsyncIterable<StoreEvent> {
    const { cursor, signal } = options;
    const from = cursor === undefined ? this.#readPosition() : Promise.resolve(cursor);
    // The reader of the events gets this rejection; a subscription that nobody reads must not end the process.
    from.catch(() => undefined);
    const readNext = (after: string): Promise<readonly StoreEvent[]> =>
      this.#operations.call('nextEvents', operationTable.nextEvents.check(after), signal);
    return followEvents(readNext, from, signal);
  }

  #readPosition(): Promise<string> {
    const position = this.#operations.call('readLastCursor', []);
    this.#positions.add(position);
    const forget = (): void => void this.#positions.delete(position);
    position.then(forget, forget);
    return position;
  }

  override close(): Promise<void> {
    this.#watchdog.stop();
    return this.#operations.close();
  }

  async #watch(): Promise<void> {
    try {
      await this.#operations.call('takeWatchdogTurn', []);
    } catch (error) {
      // Nobody called, so nobody can be told: a closed or busy store is tried at the next turn, and callers see its error themselves.
      if (!LightningError.isInstance(error)) throw error;
    }
  }
}
