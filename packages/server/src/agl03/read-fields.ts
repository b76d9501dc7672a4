import type { JsonValue } from '@agent-lightning/core';
import { RequestError } from '../http/request-error.ts';
import { attemptStatuses, modes, type AglConfig, type AglTask, type JsonObject } from './shapes.ts';

/** One complaint about a field, as FastAPI words it. */
interface Complaint {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly input: unknown;
  readonly ctx?: unknown;
}

type Location = readonly (string | number)[];

/** Reads the members of a JSON object, and collects what is wrong with them for one answer. */
export class FieldReader {
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #at: Location;
  readonly #complaints: Complaint[];

  constructor(value: unknown, at: Location = ['body'], complaints: Complaint[] = []) {
    this.#at = at;
    this.#complaints = complaints;
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    this.#value = isObject ? (value as Readonly<Record<string, unknown>>) : {};
    if (!isObject)
      this.complain(
        'model_attributes_type',
        'Input should be a valid dictionary or object to extract fields from',
        value,
      );
  }

  /** Throws when anything that was read is wrong. @throws {RequestError} 422 with `detail` */
  finish(): void {
    if (this.#complaints.length === 0) return;
    const said = this.#complaints.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; ');
    throw new RequestError(said.slice(0, 2_000), { code: 'request-invalid', status: 422, detail: this.#complaints });
  }

  has(name: string): boolean {
    return this.#value[name] !== undefined;
  }

  isNull(name: string): boolean {
    return this.#value[name] === null;
  }

  complain(type: string, msg: string, input: unknown, name?: string | number, ctx?: unknown): void {
    const loc = name === undefined ? this.#at : [...this.#at, name];
    this.#complaints.push({ type, loc, msg, input, ...(ctx === undefined ? {} : { ctx }) });
  }

  /** Says that a member must be there, null or not. */
  require(...names: readonly string[]): this {
    for (const name of names) if (!this.has(name)) this.complain('missing', 'Field required', this.#value, name);
    return this;
  }

  any(name: string): JsonValue {
    return (this.#value[name] ?? null) as JsonValue;
  }

  /** Reads a text; null for null and for none. */
  text(name: string): string | null {
    return this.#read(name, (value) => typeof value === 'string', 'string_type', 'Input should be a valid string') as
      | string
      | null;
  }

  number(name: string): number | null {
    const isNumber = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value);
    return this.#read(name, isNumber, 'float_type', 'Input should be a valid number') as number | null;
  }

  integer(name: string): number | null {
    return this.#read(name, Number.isSafeInteger, 'int_type', 'Input should be a valid integer') as number | null;
  }

  object(name: string): JsonObject | null {
    const isObject = (value: unknown): boolean => typeof value === 'object' && !Array.isArray(value);
    return this.#read(name, isObject, 'dict_type', 'Input should be a valid dictionary') as JsonObject | null;
  }

  list(name: string): readonly JsonValue[] | null {
    return this.#read(name, Array.isArray, 'list_type', 'Input should be a valid list') as readonly JsonValue[] | null;
  }

  oneOf<Value extends string>(name: string, allowed: readonly Value[]): Value | null {
    return this.#oneOf(this.#value[name], allowed, name);
  }

  /** Reads a list of texts. */
  texts(name: string): readonly string[] | null {
    const items = this.list(name);
    for (const [index, item] of (items ?? []).entries())
      if (typeof item !== 'string')
        this.complain('string_type', `Input should be a valid string (item ${index})`, item, name);
    return items as readonly string[] | null;
  }

  /** Reads a list whose items are each one of the allowed texts. */
  textsOf<Value extends string>(name: string, allowed: readonly Value[]): readonly Value[] | null {
    const items = this.list(name);
    if (items === null) return null;
    return items.flatMap((item, index) => this.#oneOf(item, allowed, name, index) ?? []);
  }

  /** Returns a reader of a member that is an object; undefined for null and none. */
  inner(name: string): FieldReader | undefined {
    const value = this.#value[name];
    return value === undefined || value === null
      ? undefined
      : new FieldReader(value, [...this.#at, name], this.#complaints);
  }

  /** Returns a reader of each item of a list. */
  inners(name: string): readonly FieldReader[] {
    return (this.list(name) ?? []).map(
      (item, index) => new FieldReader(item, [...this.#at, name, index], this.#complaints),
    );
  }

  #oneOf<Value extends string>(value: unknown, allowed: readonly Value[], ...path: (string | number)[]): Value | null {
    if (value === undefined || value === null) return null;
    if (allowed.includes(value as Value)) return value as Value;
    const quoted = allowed.map((each) => `'${each}'`);
    const expected = quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
    const [first, ...rest] = path;
    const complaint = { type: 'literal_error', msg: `Input should be ${expected}`, input: value, ctx: { expected } };
    this.#complaints.push({ ...complaint, loc: [...this.#at, first as string, ...rest] });
    return null;
  }

  #read(name: string, isRight: (value: unknown) => boolean, type: string, msg: string): unknown {
    const value = this.#value[name];
    if (value === undefined || value === null) return null;
    if (isRight(value)) return value;
    this.complain(type, msg, value, name);
    return null;
  }
}

/** Reads the configuration of a rollout with its defaults; null where there is none. */
export function readConfig(reader: FieldReader | undefined): AglConfig | null {
  if (reader === undefined) return null;
  const maxAttempts = reader.integer('max_attempts') ?? 1;
  if (maxAttempts < 1)
    reader.complain('greater_than_equal', 'Input should be greater than or equal to 1', maxAttempts, 'max_attempts', {
      ge: 1,
    });
  return {
    timeout_seconds: reader.number('timeout_seconds'),
    unresponsive_seconds: reader.number('unresponsive_seconds'),
    max_attempts: maxAttempts,
    retry_condition: reader.textsOf('retry_condition', attemptStatuses) ?? [],
  };
}

/** Reads a task to enqueue or to start. */
export function readTask(reader: FieldReader): AglTask {
  reader.require('input');
  return {
    input: reader.any('input'),
    mode: reader.oneOf('mode', modes),
    resources_id: reader.text('resources_id'),
    config: readConfig(reader.inner('config')),
    metadata: reader.object('metadata'),
  };
}

/** Rejects null for a member that cannot be null. @throws {RequestError} 400, worded as 0.3 does */
export function rejectNull(reader: FieldReader, ...names: readonly string[]): void {
  for (const name of names)
    if (reader.isNull(name))
      throw new RequestError(`${name} is invalid; it cannot be a null value.`, {
        code: 'request-invalid',
        status: 400,
      });
}
