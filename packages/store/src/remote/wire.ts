/** How operations, their replies and errors are written as JSON; the server and the client of a store both use these. */
import {
  ConfigurationError,
  type LightningError,
  StoreError,
  TimeoutError,
  type LightningErrorCode,
  type Span,
  type SpanInput,
} from '@agent-lightning/core';
import type { Operation, OperationName } from '../operation.ts';
import { operationTable } from '../operations.ts';
import { invalidField } from '../store-errors.ts';
import { decodeSpan, encodeSpan } from './wire-tokens.ts';

/** Arguments by the names of their parameters. */
type NamedArguments = Readonly<Record<string, unknown>>;

const mostSpans = 100_000;

/** Returns checked arguments by name, as JSON can hold them. */
export function encodeArguments(name: OperationName, checked: readonly unknown[]): NamedArguments {
  const { parameters, kind } = operationTable[name];
  const named = Object.fromEntries(parameters.map((parameter, index) => [parameter, checked[index]]));
  if (kind === 'wait') return { ...named, options: { timeoutMs: checked[1] } };
  if (name === 'appendSpans') return { ...named, spans: (checked[1] as readonly SpanInput[]).map(encodeSpan) };
  return named;
}

/** Returns the arguments of an operation, checked like those of a call in this process. @throws `store-invalid` naming the field */
export function decodeArguments(name: OperationName, named: unknown): readonly unknown[] {
  const { parameters, check } = operationTable[name] as Operation<readonly unknown[], unknown>;
  if (typeof named !== 'object' || named === null || Array.isArray(named))
    throw invalidField(`the arguments of ${name}`, 'must be an object', named);
  const unknown = Object.keys(named).find((field) => !parameters.includes(field));
  if (unknown !== undefined)
    throw invalidField(unknown, `is no argument of ${name}; it has ${parameters.join(', ') || 'none'}`);
  const given = parameters.map((parameter) => toUndefined((named as NamedArguments)[parameter]));
  if (name === 'appendSpans') given[1] = decodeSpans(given[1]);
  return check(...given);
}

/** JSON has no undefined. */
function toUndefined(value: unknown): unknown {
  return value === null ? undefined : value;
}

function decodeSpans(spans: unknown): unknown {
  if (!Array.isArray(spans) || spans.length > mostSpans) return spans; // the check says what is wrong with it
  return spans.map((span, index) => decodeSpan(`spans[${index}]`, span));
}

/** Returns a reply as JSON can hold it. */
export function encodeReply(name: OperationName, reply: unknown): unknown {
  if (name === 'querySpans') return (reply as readonly Span[]).map(encodeSpan);
  return reply ?? null;
}

/** Returns a reply as the operation gave it. */
export function decodeReply(name: OperationName, reply: unknown): unknown {
  if (name === 'querySpans' && Array.isArray(reply)) return reply.map((span) => decodeSpan('a span', span));
  return toUndefined(reply);
}

/** An error as JSON. */
export interface ErrorJson {
  readonly type: string;
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

const classes: Readonly<
  Record<string, new (message: string, options: ConstructorParameters<typeof LightningError>[1]) => LightningError>
> = { StoreError, TimeoutError, ConfigurationError };

/** Makes an error of another machine again: of its class, with its code. */
export function decodeError({ type, code, message, retryable }: ErrorJson): LightningError {
  return new (classes[type] ?? StoreError)(message, { code: code as LightningErrorCode, retryable });
}
