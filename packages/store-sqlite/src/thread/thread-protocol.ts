/** What the caller's thread and the store's thread say to each other. */
import type { SqliteCalls, SqliteCallsOptions } from '../sqlite-calls.ts';
import type { FunctionLine } from './caller-functions.ts';
import type { CarriedError } from './carried-errors.ts';

/** How the store's thread is started. It opens the file at once, and answers that under `openingId`. */
export interface ThreadStart {
  readonly options: Omit<SqliteCallsOptions, 'now' | 'generateId'>;
  readonly functions: FunctionLine | undefined;
}

export const openingId = 0;

export interface CallMessage {
  readonly kind: 'call';
  readonly id: number;
  readonly name: keyof SqliteCalls;
  readonly args: readonly unknown[];
  /** The call takes a signal after its arguments, which an abort of the same id aborts. */
  readonly isWait: boolean;
}

export type ToThread = CallMessage | { readonly kind: 'abort'; readonly id: number };

export type FromThread =
  | { readonly kind: 'done'; readonly id: number; readonly reply: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly error: CarriedError };
