/** The messages between `QueryPool` and the processes that run its queries. */
import type { QueryResult } from '../query.ts';

/** Asks for the rows of a query. */
export interface RunRequest {
  readonly kind: 'run';
  readonly file: string;
  readonly sql: string;
  /** The most rows to return. */
  readonly maxRows: number;
}

/** Asks whether a query has the same result as the gold query, on each of these databases. */
export interface MatchRequest {
  readonly kind: 'match';
  readonly files: readonly string[];
  readonly gold: string;
  readonly query: string;
}

export type QueryRequest = RunRequest | MatchRequest;

/** Says which statement is about to run: its time limit begins here. */
export interface Starting {
  readonly starting: 'gold' | 'query';
}

export interface MatchResult {
  readonly matches: boolean;
  /** Says why the gold query itself does not run; nothing can be said of the other query then. */
  readonly goldError?: string;
}

export type QueryReply = { readonly ran: QueryResult } | { readonly compared: MatchResult };
