/** A recorded conversation with a training server: what was sent, what came back, and what the client made of it. */
import type { JsonValue } from '@agent-lightning/core';

/** One request and its answer, without headers: keys and times are nobody's business. */
export interface RecordedExchange {
  readonly method: string;
  /** With the query, below the server's root. */
  readonly path: string;
  readonly request: JsonValue;
  readonly status: number;
  readonly response: JsonValue;
}

/** A fixture file. */
export interface ExchangeFixture {
  readonly format: 'agent-lightning-exchange';
  readonly formatVersion: 1;
  /** Which server, which version, which model, for people. */
  readonly server: string;
  readonly exchanges: readonly RecordedExchange[];
  /** What the recorded run returned, by step. */
  readonly results: JsonValue;
}

/** Names that a client makes up, and that no two runs share. */
const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

/** A request with made-up names replaced by their order of appearance, so that two runs can be compared. */
export class RequestNormalizer {
  readonly #names = new Map<string, string>();

  normalize(value: JsonValue): JsonValue {
    const text = JSON.stringify(value).replaceAll(uuid, (name) => {
      const known = this.#names.get(name) ?? `made-up-name-${this.#names.size + 1}`;
      this.#names.set(name, known);
      return known;
    });
    return JSON.parse(text) as JsonValue;
  }
}
