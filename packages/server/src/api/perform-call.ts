import type { Lease, SpanInput } from '@agent-lightning/core';
import { decodeArguments, encodeReply, type OperationName, type Operations } from '@agent-lightning/store';
import { RequestError } from '../http/request-error.ts';
import type { Caller } from '../keys/caller.ts';
import { saysReward } from '../otlp/span-meaning.ts';
import { originAttribute } from '../otlp/to-span.ts';
import { operationRoles } from './operation-roles.ts';

/** One operation that a client asks for. */
export interface GivenCall {
  readonly name: OperationName;
  /** The arguments by name, as they came. */
  readonly named: unknown;
  readonly caller: Caller;
  readonly signal?: AbortSignal;
}

export interface CallRules {
  readonly operations: Operations;
  /** Lets agents write rewards to their own attempt. */
  readonly agentRewards: boolean;
}

/** Carries out an operation for a caller who may ask for it. @returns the reply as JSON can hold it @throws {RequestError} `forbidden`; what the store throws */
export async function performCall({ operations, agentRewards }: CallRules, call: GivenCall): Promise<unknown> {
  const { name, named, caller, signal } = call;
  const allowed = operationRoles[name];
  if (caller.role !== 'admin' && !allowed.includes(caller.role))
    throw new RequestError(
      `a key of role ${caller.role} may not ask for ${name}; it takes ${['admin', ...allowed].join(' or ')}`,
      { code: 'forbidden' },
    );
  const checked = decodeArguments(name, named);
  if (caller.role === 'agent')
    checkAgent(caller, checked as readonly [lease: Lease, spans: readonly SpanInput[]], agentRewards);
  return encodeReply(name, await operations.call(name, checked, signal));
}

/** Checks that an agent writes to its own attempt, and no reward, unless agents may. */
function checkAgent(
  caller: Caller,
  [lease, spans]: readonly [Lease, readonly SpanInput[]],
  agentRewards: boolean,
): void {
  const own = caller.lease;
  if (
    own?.attemptId !== lease.attemptId ||
    own.rolloutId !== lease.rolloutId ||
    own.fencingToken !== lease.fencingToken
  )
    throw new RequestError(`this key is for attempt ${own?.attemptId} alone, not for ${lease.attemptId}`, {
      code: 'forbidden',
    });
  for (const [index, span] of spans.entries()) {
    if (saysReward(span) && !agentRewards)
      throw new RequestError(
        `spans[${index}] must not be a reward, by its kind or its attributes: an agent's key writes none, unless the server was started with agentRewards: true`,
        { code: 'forbidden' },
      );
    // Readers of other protocols are shown what it says instead of the span.
    if (originAttribute in span.attributes)
      throw new RequestError(`spans[${index}].attributes must not have ${originAttribute}: the server writes it`, {
        code: 'forbidden',
      });
  }
}
