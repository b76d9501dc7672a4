import type { LightningStore, StoreEvent } from '@agent-lightning/core';
import type { WaitOptions } from './contract-types.ts';
import { checkInteger } from './field-checks.ts';
import type { RecordAccess, Write } from './record-access.ts';
import type { Awaitable, RecordReader } from './records.ts';
import type { Watchdog } from './watchdog.ts';

/** Names every method of a store but `subscribe`, which asks for the next events again and again, and `close`. */
export type StoreMethods = Omit<LightningStore, 'subscribe' | 'close'>;

/** Names the operations that are no method of `LightningStore`. */
export interface InnerOperations {
  /** Returns the cursor of the newest event, from which a subscription goes on. */
  readLastCursor(): Promise<string>;
  /** Returns the next events after the cursor. When there are none yet, it waits, and may still return none: ask again. */
  nextEvents(cursor: string, options?: WaitOptions): Promise<readonly StoreEvent[]>;
  /** Takes one turn of this process's watchdog: does what is due, unless another process has the watchdog. */
  takeWatchdogTurn(): Promise<void>;
  /**
   * Deletes the oldest rollouts that ended before a moment, with attempts, spans and tokens: at most 200. Returns how many; call it again
   * until there are none.
   */
  deleteEnded(endedBeforeMs: number): Promise<number>;
  /** Reads all that is stored and returns what is wrong with it; nothing for sound data. */
  checkIntegrity(): Promise<readonly string[]>;
}

type Signatures = StoreMethods & InnerOperations;
export type OperationName = keyof Signatures;
export type OperationArguments<Name extends OperationName> = Parameters<Signatures[Name]>;
export type OperationReply<Name extends OperationName> = Awaited<ReturnType<Signatures[Name]>>;

/** Gives an operation everything that it may work with. */
export interface OperationContext extends RecordAccess {
  readonly watchdog: Watchdog;
  readonly checkIntegrity: () => Promise<readonly string[]>;
}

/**
 * Says what an operation does: `read` and `write` are one transaction each, `wait` is a long poll that its signal and its
 * `timeoutMs` end, `upkeep` looks after the whole store.
 */
export type OperationKind = 'read' | 'write' | 'wait' | 'upkeep';

/** Names each argument: errors say by these names what is wrong, and the fields of a request over HTTP have them. */
type NamesOf<Given extends readonly unknown[]> = { readonly [Index in keyof Required<Given>]: string };

/**
 * Declares one operation of a store. What `check` returns is data that can cross to another thread or machine, where `perform` takes it;
 * without its members that are undefined, it can also be given to `check` again.
 */
export interface Operation<Given extends readonly unknown[], Reply, Kind extends OperationKind = OperationKind> {
  readonly kind: Kind;
  readonly parameters: readonly string[];
  /** Returns checked copies of the arguments, with every default filled in. @throws `store-invalid` naming the field */
  check(...given: Given): readonly unknown[];
  /** Returns true when a second delivery of these arguments changes nothing and answers the same, so that a lost answer may be asked for again. */
  mayRepeat(checked: readonly unknown[]): boolean;
  perform(context: OperationContext, checked: readonly unknown[], signal?: AbortSignal): Promise<Reply>;
}

/** Is `wait` exactly when the second argument is `WaitOptions`. */
type KindOf<Given extends readonly unknown[]> = WaitOptions extends Given[1] ? 'wait' : Exclude<OperationKind, 'wait'>;

/** Asks for one declaration for each name: a missing, misspelt or wrongly typed operation does not compile. */
export type TableOf<Methods extends Partial<Signatures>> = {
  readonly [Name in keyof Methods & OperationName]: Operation<
    OperationArguments<Name>,
    OperationReply<Name>,
    KindOf<OperationArguments<Name>>
  >;
};

type Checked = readonly unknown[] | readonly [];

/** Declares an operation that reads records in one consistent view. */
export function read<Given extends readonly unknown[], Taken extends Checked, Reply>(
  parameters: NoInfer<NamesOf<Given>>,
  check: (...given: Given) => Taken,
  work: (records: RecordReader, ...taken: Taken) => Awaitable<Reply>,
): Operation<Given, Reply, 'read'> {
  return {
    kind: 'read',
    parameters: parameters as readonly string[],
    check,
    mayRepeat: () => true,
    perform: (context, checked) => context.read((records) => work(records, ...(checked as Taken))),
  };
}

/** Declares an operation that writes records in one transaction. */
export function write<Given extends readonly unknown[], Taken extends Checked, Reply>(
  parameters: NoInfer<NamesOf<Given>>,
  check: (...given: Given) => Taken,
  work: (write: Write, ...taken: Taken) => Awaitable<Reply>,
  mayRepeat: boolean | ((...taken: Taken) => boolean),
): Operation<Given, Reply, 'write'> {
  return {
    kind: 'write',
    parameters: parameters as readonly string[],
    check,
    mayRepeat: (checked) => (typeof mayRepeat === 'boolean' ? mayRepeat : mayRepeat(...(checked as Taken))),
    perform: (context, checked) => context.write((under) => work(under, ...(checked as Taken))),
  };
}

/** Declares an operation that waits for a change, until its `timeoutMs` is over or its signal aborts. */
export function wait<Subject, Taken, Reply>(
  parameter: string,
  check: (subject: Subject) => Taken,
  work: (
    access: RecordAccess,
    subject: Taken,
    timeoutMs: number | undefined,
    signal: AbortSignal | undefined,
  ) => Promise<Reply>,
): Operation<[subject: Subject, options?: WaitOptions], Reply, 'wait'> {
  return {
    kind: 'wait',
    parameters: [parameter, 'options'],
    check: (subject, { timeoutMs } = {}) => [check(subject), checkTimeout(timeoutMs)],
    mayRepeat: () => true,
    perform: (context, [subject, timeoutMs], signal) =>
      work(context, subject as Taken, timeoutMs as number | undefined, signal),
  };
}

/** Declares an operation without arguments that looks after the whole store. */
export function upkeep<Reply>(
  work: (context: OperationContext) => Promise<Reply>,
  mayRepeat: boolean,
): Operation<[], Reply, 'upkeep'> {
  return { kind: 'upkeep', parameters: [], check: () => [], mayRepeat: () => mayRepeat, perform: work };
}

function checkTimeout(timeoutMs: number | undefined): number | undefined {
  if (timeoutMs !== undefined && timeoutMs !== Infinity) checkInteger('options.timeoutMs', Math.ceil(timeoutMs), 0);
  return timeoutMs;
}
