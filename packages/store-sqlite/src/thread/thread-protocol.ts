/** Defines what the caller's thread and the store's thread say to each other. */
import type { OperationName } from '@agent-lightning/store';
import type { SqliteOperationsOptions } from '../sqlite-operations.ts';
import type { FunctionLine } from './caller-functions.ts';
import type { CarriedError } from './carried-errors.ts';

/** Starts the store's thread. It opens the file at once, and answers that under `openingId`. */
export interface ThreadStart {
  readonly options: Omit<SqliteOperationsOptions, 'now' | 'generateId'>;
  readonly functions: FunctionLine | undefined;
}

export const openingId = 0;

export interface CallMessage {
  readonly kind: 'call';
  readonly id: number;
  readonly name: OperationName | 'close';
  readonly args: readonly unknown[];
}

/** An abort ends the wait of the same id. */
export type ToThread = CallMessage | { readonly kind: 'abort'; readonly id: number };

export type FromThread =
  | { readonly kind: 'done'; readonly id: number; readonly reply: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly error: CarriedError };
