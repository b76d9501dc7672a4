import type { JsonValue } from '@agent-lightning/core';

/** One measurement of learning, with the thresholds that it must keep. */
export interface LearningCase {
  readonly name: string;
  /** Says in a sentence what is measured. */
  readonly summary: string;
  /** Measures; `figures` has every value and threshold that `ok` follows from. */
  run(): Promise<CaseResult>;
}

/** The result of a case. */
export interface CaseResult {
  readonly ok: boolean;
  readonly figures: Readonly<Record<string, JsonValue>>;
}
