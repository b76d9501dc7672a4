/** A value of an OpenTelemetry attribute: a byte string comes as hex, and a value that is not set as null. */
export type AnyValue = string | number | boolean | null | readonly AnyValue[] | { readonly [key: string]: AnyValue };

export type AnyAttributes = Readonly<Record<string, AnyValue>>;

export interface ExportedEvent {
  readonly name: string;
  /** Milliseconds since the epoch; undefined when the sender gave none. */
  readonly timeMs: number | undefined;
  readonly attributes: AnyAttributes;
}

export interface ExportedLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: AnyAttributes;
}

/** A span as OTLP has it, whichever encoding it came in. */
export interface ExportedSpan {
  /** Lower-case hex; empty when the sender gave none. */
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  /** Milliseconds since the epoch; undefined when the sender gave none. */
  readonly startTimeMs: number | undefined;
  readonly endTimeMs: number | undefined;
  readonly attributes: AnyAttributes;
  readonly events: readonly ExportedEvent[];
  readonly links: readonly ExportedLink[];
  readonly statusCode: 'unset' | 'ok' | 'error';
  readonly statusMessage: string;
}

export interface ExportedResource {
  readonly attributes: AnyAttributes;
  readonly schemaUrl: string;
}

/** The spans of one resource, in the order in which they came. */
export interface ExportedGroup {
  readonly resource: ExportedResource;
  readonly spans: readonly ExportedSpan[];
}

/** The deepest nesting of an attribute's value. */
export const deepestValue = 32;

/** The status codes of OTLP by their number. */
export const statusCodes: readonly ExportedSpan['statusCode'][] = ['unset', 'ok', 'error'];

/** Sets a member of any name; a plain assignment takes `__proto__` for the prototype, and `Object.fromEntries` costs several times as much. */
export function setMember<Value>(into: Record<string, Value>, name: string, value: Value): void {
  if (name === '__proto__')
    Object.defineProperty(into, name, { value, writable: true, enumerable: true, configurable: true });
  else into[name] = value;
}
