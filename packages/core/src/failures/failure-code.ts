import { LightningError } from '../errors.ts';
import { isBrokenConnection, isPlainCode, policyCodes, worldCodes } from './failure-codes.ts';

/** The most errors of a chain of causes that are looked at. */
const longestChain = 20;

/**
 * Picks the code that tells most about what was thrown. Of the error and its causes, outermost first: a code that the policy is known
 * to cause, else one of the world, else the name of the outermost error that has a name of its own, else `agent-failed`.
 */
export function pickFailureCode(thrown: unknown): string {
  const codes = listCodes(thrown);
  return (
    codes.find((code) => policyCodes.has(code)) ??
    codes.find((code) => worldCodes.has(code)) ??
    codes.find((code) => !isPlainCode(code)) ??
    (codes.includes('command-failed') ? 'command-failed' : 'agent-failed')
  );
}

/** Lists what an error and its causes say; nothing for one that throws when it is asked. */
function listCodes(thrown: unknown): readonly string[] {
  try {
    return chainOf(thrown).flatMap(codesOf);
  } catch {
    return [];
  }
}

/** Lists an error and what it holds: its cause, the last error of the AI SDK's retries, those of an AggregateError, and the body of a reply that refused. */
function chainOf(thrown: unknown): readonly Readonly<Record<string, unknown>>[] {
  const chain: Readonly<Record<string, unknown>>[] = [];
  const open: unknown[] = [thrown];
  while (open.length > 0 && chain.length < longestChain) {
    const next = open.shift();
    if (typeof next !== 'object' || next === null || chain.includes(next as Record<string, unknown>)) continue;
    const error = next as Readonly<Record<string, unknown>>;
    chain.push(error);
    const { cause, lastError, errors, error: body, data } = error;
    open.push(cause, lastError, ...(Array.isArray(errors) ? errors : []), body, data);
  }
  return chain;
}

/** Lists what one error says about itself, most telling first. */
function codesOf(error: Readonly<Record<string, unknown>>): readonly string[] {
  if (LightningError.isInstance(error)) return [error.code];
  const { code, message } = error;
  const known = [code, nameOf(error), error['lc_error_code'], error['id']].filter(
    (each) => typeof each === 'string' && (policyCodes.has(each) || worldCodes.has(each)),
  ) as readonly string[];
  return [
    ...known,
    ...statusCodeOf(error),
    ...(typeof message === 'string' && isBrokenConnection(message) ? ['connection-failed'] : []),
    nameOf(error),
  ];
}

/** Returns the code of an HTTP status that says nothing about the request: of a service that is overloaded or broken. */
function statusCodeOf(error: Readonly<Record<string, unknown>>): readonly string[] {
  const status = error['status'] ?? error['statusCode'];
  if (status === 429) return ['http-429'];
  return typeof status === 'number' && status >= 500 && status < 600 ? ['http-5xx'] : [];
}

/** Returns the name of an error; the name of its class where its constructor set none, as in `class PaymentError extends Error {}`. */
function nameOf(error: Readonly<Record<string, unknown>>): string {
  const { name } = error;
  if (typeof name === 'string' && name !== '' && name !== 'Error') return name.slice(0, longestName);
  const own = error.constructor?.name;
  return own === undefined || own === '' || own === 'Object' ? 'Error' : own.slice(0, longestName);
}

/** The most characters of a name: a store refuses a longer code. */
const longestName = 200;
