import type { JsonValue } from '@agent-lightning/core';

/** A claim about learning that is measured: the figures hold every value and threshold behind `ok`. */
export interface LearningCase {
  readonly name: string;
  /** Says in one sentence what is claimed. */
  readonly summary: string;
  run(): Promise<CaseResult>;
}

export interface CaseResult {
  readonly ok: boolean;
  readonly figures: Readonly<Record<string, JsonValue>>;
}
