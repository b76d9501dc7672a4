import {
  LightningError,
  TimeoutError,
  type LightningStore,
  type Logger,
  type TrainingGateway,
} from '@agent-lightning/core';
import { outlastOutage, type Clock } from '@agent-lightning/platform';
import { operationTable, type OperationName } from '@agent-lightning/store';

/** The longest time for which a run waits for its store or its gateway. */
const longestOutageMs = 600_000;

export interface OutageNotices {
  readonly logger: Pick<Logger, 'warn' | 'info'>;
  /** Ends the waits: the run is interrupted, or cannot go on. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** Makes a run wait for its store and its gateway while they are away, and tells of each outage once. */
export class Outages {
  readonly #options: OutageNotices;
  readonly #away = new Set<string>();

  constructor(options: OutageNotices) {
    this.#options = options;
  }

  /** Tells of an error that the runner reported; of further ones of the same outage, nothing. */
  report(error: unknown): void {
    const isOutage = LightningError.isInstance(error) && error.code === 'store-unavailable' && error.retryable;
    if (!isOutage) return this.#options.logger.warn(describe(error));
    this.#begin('the store', error);
  }

  /** Returns the store with operations that wait until it answers, where a repetition changes nothing. */
  outlastStore(store: LightningStore): LightningStore {
    return this.#wrap('the store', store, mayRepeat);
  }

  /** Returns the gateway with operations that wait until it answers. */
  outlastGateway(gateway: TrainingGateway): TrainingGateway {
    return this.#wrap('the gateway', gateway, (name) => name === 'publish' || name === 'route');
  }

  #wrap<Part extends object>(what: string, part: Part, isRepeated: (name: string, given: unknown[]) => boolean): Part {
    return new Proxy(part, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function' || typeof name !== 'string') return value;
        return (...given: unknown[]): unknown => {
          const call = (): unknown => value.apply(target, given);
          return isRepeated(name, given) ? this.#outlast(what, async () => await call(), signalOf(given)) : call();
        };
      },
    });
  }

  async #outlast(what: string, work: () => Promise<unknown>, own: AbortSignal | undefined): Promise<unknown> {
    const { signal, clock } = this.#options;
    const ends = own === undefined ? signal : AbortSignal.any([signal, own]);
    try {
      return await outlastOutage(work, {
        signal: ends,
        limitMs: longestOutageMs,
        isPassing,
        onOutage: (error) => this.#begin(what, error),
        onMended: (awayMs) => this.#end(what, awayMs),
        ...(clock === undefined ? {} : { clock }),
      });
    } catch (error) {
      if (!ends.aborted || !isPassing(error)) throw error;
      throw new TimeoutError(`${what} was away when the run was told to end: ${describe(error)}`, {
        code: 'cancelled',
        cause: error,
      });
    }
  }

  #begin(what: string, error: unknown): void {
    if (this.#away.has(what)) return;
    this.#away.add(what);
    this.#options.logger.warn(
      `${what} is away, and the run waits for it, for at most ${longestOutageMs / 60_000} minutes: ${describe(error)}`,
    );
  }

  #end(what: string, awayMs: number): void {
    if (this.#away.delete(what))
      this.#options.logger.info(`${what} is back after ${Math.round(awayMs / 1_000)} s; the run goes on`);
  }
}

/** Tells whether a part may be back later. A call that took too long, or was cancelled, is an answer. */
function isPassing(error: unknown): boolean {
  return (
    LightningError.isInstance(error) && error.retryable && error.code !== 'timed-out' && error.code !== 'store-full'
  );
}

/** Tells whether a call of a store may be made twice. Resources may be put again too: in a run, the same name has the same content. */
function mayRepeat(name: string, given: readonly unknown[]): boolean {
  if (name === 'putResources') return true;
  if (!(name in operationTable)) return false;
  const { check, mayRepeat: isHarmless } = operationTable[name as OperationName] as {
    readonly check: (...given: readonly unknown[]) => readonly unknown[];
    readonly mayRepeat: (checked: readonly unknown[]) => boolean;
  };
  try {
    return isHarmless(check(...given));
  } catch {
    return false; // the store says what is wrong with it
  }
}

/** Returns the signal among the options of a wait. */
function signalOf(given: readonly unknown[]): AbortSignal | undefined {
  const { signal } = (given[1] ?? {}) as { readonly signal?: unknown };
  return signal instanceof AbortSignal ? signal : undefined;
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
