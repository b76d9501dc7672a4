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

/** The content type of protobuf messages. */
const protobufType = 'application/x-protobuf';

/** Returns a body as a recording has it: JSON as such, a protobuf message as `{ protobuf: base64 }`, anything else by its length. */
export function toRecorded(bytes: Buffer, contentType: string | null | undefined): JsonValue {
  if (contentType?.includes(protobufType) === true) return { protobuf: bytes.toString('base64') };
  if (bytes.length === 0) return null;
  try {
    return JSON.parse(bytes.toString('utf8')) as JsonValue;
  } catch {
    return `${bytes.length} bytes`;
  }
}

/** Returns a recorded body as it was sent, with its content type. */
export function fromRecorded(body: JsonValue): { readonly bytes: Buffer; readonly contentType: string } {
  if (typeof body === 'object' && body !== null && 'protobuf' in body)
    return { bytes: Buffer.from(String(body['protobuf']), 'base64'), contentType: protobufType };
  return { bytes: Buffer.from(JSON.stringify(body)), contentType: 'application/json' };
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
