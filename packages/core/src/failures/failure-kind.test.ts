import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BackendError, ConfigurationError, StoreError, TraceError, UserCodeError } from '../errors.ts';
import { policyCodes, worldCodes } from './failure-codes.ts';
import { failureKinds } from './failure-kind.ts';

class PaymentError extends Error {}

function named(name: string, message = 'boom', more: object = {}): Error {
  return Object.assign(new Error(message), { name }, more);
}

const kindOf = (thrown: unknown) => failureKinds.of({ code: failureKinds.codeOf(thrown), message: String(thrown) });

describe('the code of what was thrown', () => {
  it.each([
    ['a plain error', new Error('no such table'), 'agent-failed', 'unknown'],
    ['a text', 'broken', 'agent-failed', 'unknown'],
    ['undefined', undefined, 'agent-failed', 'unknown'],
    ['a class of the user without a name', new PaymentError('declined'), 'PaymentError', 'unknown'],
    ['a mistake in the code', new TypeError('x is not a function'), 'TypeError', 'unknown'],
    ['an error of ours', new StoreError('away', { code: 'store-unavailable' }), 'store-unavailable', 'world'],
    ['a reward that is none', new TraceError('NaN', { code: 'reward-invalid' }), 'reward-invalid', 'unknown'],
    ['a prompt that is too long', new BackendError('long', { code: 'context-exceeded' }), 'context-exceeded', 'policy'],
    ['a connection', named('Error', 'connect', { code: 'ECONNREFUSED' }), 'ECONNREFUSED', 'world'],
    ['a full disk', named('Error', 'write', { code: 'ENOSPC' }), 'ENOSPC', 'world'],
    ['a status 429', named('RateLimitError', 'slow down', { status: 429 }), 'RateLimitError', 'world'],
    ['a status 429 of another client', named('Oops', 'slow down', { status: 429 }), 'http-429', 'world'],
    [
      'a parser whose class name was shortened',
      named('a', 'x', { lc_error_code: 'OUTPUT_PARSING_FAILURE' }),
      'OUTPUT_PARSING_FAILURE',
      'policy',
    ],
    ['a status 503', named('AI_APICallError', 'overloaded', { statusCode: 503 }), 'http-5xx', 'world'],
    ['a status 400', named('BadRequestError', 'bad', { status: 400 }), 'BadRequestError', 'unknown'],
    ['a code of the user', named('Error', 'declined', { code: 'CARD_DECLINED' }), 'agent-failed', 'unknown'],
    [
      'the refusal of a prompt that is too long, in the body of a reply',
      named('AI_APICallError', 'too long', {
        statusCode: 400,
        data: { error: { message: 'too long', code: 'context_length_exceeded' } },
      }),
      'context_length_exceeded',
      'policy',
    ],
    [
      'a cause',
      new TypeError('fetch failed', { cause: named('Error', 'x', { code: 'ENOTFOUND' }) }),
      'connection-failed',
      'world',
    ],
    [
      'a policy failure below the user’s own error',
      new PaymentError('the agent did not end', { cause: named('GraphRecursionError') }),
      'GraphRecursionError',
      'policy',
    ],
    [
      'the last of several tries',
      named('AI_RetryError', 'failed after 3 attempts', {
        lastError: named('AI_APICallError', 'x', { statusCode: 529 }),
      }),
      'http-5xx',
      'world',
    ],
    ['several errors', new AggregateError([named('MaxTurnsExceededError')]), 'MaxTurnsExceededError', 'policy'],
    ['a command', new UserCodeError('it ended with code 1', { code: 'command-failed' }), 'command-failed', 'unknown'],
  ] as const)('%s', (_, thrown, code, kind) => {
    expect(failureKinds.codeOf(thrown)).toBe(code);
    expect(kindOf(thrown)).toBe(kind);
  });

  it('ends for causes that go round, and never throws', () => {
    const round = named('Round');
    Object.assign(round, { cause: round });
    expect(failureKinds.codeOf(round)).toBe('Round');
    fc.assert(fc.property(fc.anything(), (thrown) => typeof failureKinds.codeOf(thrown) === 'string'));
  });
});

describe('the kind of a failure', () => {
  it.each([
    ['agent-failed', 'langgraph.errors.GraphRecursionError: Recursion limit of 25 reached', 'policy'],
    ['command-failed', 'it ended with code 1: openai.APIConnectionError: Connection error.', 'world'],
    ['agent-failed', 'terminated', 'world'],
    ['agent-failed', 'the tool said: fetch failed', 'unknown'],
    ['PaymentError', 'GraphRecursionError', 'unknown'],
    ['timed-out', 'the attempt took longer than 5 ms', 'unknown'],
    ['lease-expired', '', 'world'],
    ['agent-failed', 'the order was cancelled', 'unknown'],
    ['agent-failed', 'Error: the subscription is paused', 'unknown'],
  ] as const)('%s: %s', (code, message, kind) => expect(failureKinds.of({ code, message })).toBe(kind));

  it('is what the user says, where the policy is not known to cause it', () => {
    const failures = { PaymentError: 'world', ECONNREFUSED: 'policy' } as const;
    expect(failureKinds.checkSorting('failures', failures)).toEqual(failures);
    expect(failureKinds.of({ code: 'PaymentError', message: '' }, failures)).toBe('world');
    expect(failureKinds.of({ code: 'ECONNREFUSED', message: '' }, failures)).toBe('policy');
    expect(failureKinds.worldCodes(failures)).toEqual(
      [...worldCodes].filter((code) => code !== 'ECONNREFUSED').concat('PaymentError'),
    );
    for (const code of policyCodes) {
      expect(() => failureKinds.checkSorting('failures', { [code]: 'world' })).toThrow(ConfigurationError);
      expect(failureKinds.of({ code, message: '' }, { [code]: 'world' })).toBe('policy');
    }
    expect(() => failureKinds.checkSorting('failures', { X: 'unknown' as 'world' })).toThrow(/failures\.X must be/);
    expect(() => failureKinds.checkSorting('failures', [] as never)).toThrow(/must be an object/);
  });

  it('has no code of two kinds', () => {
    expect([...policyCodes].filter((code) => worldCodes.has(code))).toEqual([]);
  });

  it.each([
    ['sampled all the while at the usual pace', { tokensPerSecond: 90, seconds: 54 }, 100, 'policy'],
    ['sampled all the while, slowly', { tokensPerSecond: 10, seconds: 54 }, 100, 'world'],
    ['waited for a tool', { tokensPerSecond: 90, seconds: 6 }, 100, 'unknown'],
    ['no pace to compare with', { tokensPerSecond: 90, seconds: 54 }, undefined, 'unknown'],
    ['no tokens', { tokensPerSecond: undefined, seconds: 54 }, 100, 'unknown'],
    ['no call', undefined, 100, 'unknown'],
  ] as const)('of a time-out: %s', (_, pace, usual, kind) =>
    expect(failureKinds.ofTimeout(pace, 60, usual)).toBe(kind),
  );

  it('names the limits of turns', () => {
    expect(failureKinds.isTurnLimit({ code: 'MaxTurnsExceededError', message: '' })).toBe(true);
    expect(failureKinds.isTurnLimit({ code: 'ModelBehaviorError', message: '' })).toBe(false);
  });
});
