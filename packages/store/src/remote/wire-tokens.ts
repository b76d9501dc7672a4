/** How the tokens of spans cross to another machine: a list of numbers, or the bytes of the little-endian array in base64. */
import type { TokenBlob } from '@agent-lightning/core';
import { invalidField } from '../store-errors.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Returns a span as JSON can hold it. */
export function encodeSpan<Given extends { readonly tokens?: TokenBlob }>(span: Given): unknown {
  if (span.tokens === undefined) return span;
  const { prompt, response, logprobs } = span.tokens;
  return { ...span, tokens: { prompt: toBase64(prompt), response: toBase64(response), logprobs: toBase64(logprobs) } };
}

/** Returns a span as it was before `encodeSpan`; what is no span at all is left to the checks of the store. @throws `store-invalid` naming the field */
export function decodeSpan(at: string, span: unknown): unknown {
  const tokens = isFields(span) ? span['tokens'] : undefined;
  if (!isFields(span) || !isFields(tokens)) return span;
  return {
    ...span,
    tokens: {
      prompt: decodeIds(`${at}.tokens.prompt`, tokens['prompt']),
      response: decodeIds(`${at}.tokens.response`, tokens['response']),
      logprobs: new Float32Array(decodeNumbers(`${at}.tokens.logprobs`, tokens['logprobs'], Float32Array)),
    },
  };
}

function decodeIds(field: string, value: unknown): Int32Array {
  const ids = decodeNumbers(field, value, Int32Array);
  if (ids instanceof Int32Array) return ids;
  const wrong = ids.findIndex((id) => !Number.isInteger(id) || Math.abs(id) > 2 ** 31 - 1);
  if (wrong >= 0) throw invalidField(`${field}[${wrong}]`, 'must be a token id', ids[wrong]);
  return Int32Array.from(ids);
}

function decodeNumbers<Kind extends Int32Array | Float32Array>(
  field: string,
  value: unknown,
  kind: new (length: number) => Kind,
): Kind | readonly number[] {
  if (Array.isArray(value)) {
    const wrong = value.findIndex((item) => typeof item !== 'number');
    if (wrong >= 0) throw invalidField(`${field}[${wrong}]`, 'must be a number', value[wrong]);
    return value as readonly number[];
  }
  const bytes = typeof value === 'string' ? Buffer.from(value, 'base64') : undefined;
  // What is no base64 is left out by Buffer, and the numbers would be others.
  const isWhole = bytes !== undefined && bytes.length === Math.floor((unpaddedLength(value as string) * 3) / 4);
  if (!isWhole || bytes.length % 4 !== 0)
    throw invalidField(field, 'must be a list of numbers, or the base64 of little-endian 32-bit numbers', value);
  const array = new kind(bytes.length / 4);
  // A copy: the bytes of a Buffer need not begin where a number may.
  new Uint8Array(array.buffer).set(bytes);
  return array;
}

function unpaddedLength(base64: string): number {
  if (base64.endsWith('==')) return base64.length - 2;
  return base64.endsWith('=') ? base64.length - 1 : base64.length;
}

function toBase64({ buffer, byteOffset, byteLength }: Int32Array | Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
