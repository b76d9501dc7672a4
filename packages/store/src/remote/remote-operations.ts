import { randomUUID } from 'node:crypto';
import { LightningError, StoreError, TimeoutError } from '@agent-lightning/core';
import type { OperationName, OperationReply } from '../operation.ts';
import { operationTable, type Operations } from '../operations.ts';
import type { ResolvedEnqueue } from '../request-checks.ts';
import { storeClosed } from '../store-errors.ts';
import { CallLane, type OutgoingCall } from './call-lane.ts';
import { Delivery } from './delivery.ts';
import { HttpConnection } from './http-connection.ts';
import type { Outbox } from './outbox.ts';
import { decodeError, decodeReply, encodeArguments, type ErrorJson } from './wire.ts';

export interface RemoteOptions {
  readonly url: URL;
  readonly key: string | undefined;
  readonly outageMs: number;
  readonly outbox: Outbox | undefined;
}

/** The writes that an outbox keeps: those of a runner's attempts, which mean the same when they arrive later. */
const keptOperations: ReadonlySet<OperationName> = new Set(['appendSpans', 'complete', 'fail', 'addReward']);

/** The time that one request waits at the server; a longer wait is several of them. */
const pollMs = 20_000;
/** The longest time that the server may take for what does not wait. */
const answerMs = 120_000;

type LaneName = 'writes' | 'reads' | 'leases' | 'upkeep';

/** Carries out the operations of a store at a server. A write whose answer is lost is sent again, and done once. */
export class RemoteOperations implements Operations {
  readonly #connection: HttpConnection;
  readonly #delivery: Delivery;
  readonly #client: string = randomUUID();
  readonly #outbox: Outbox | undefined;
  readonly #outageMs: number;
  readonly #lanes: Readonly<Record<LaneName, CallLane>>;
  readonly #ends: AbortController = new AbortController();
  readonly #waits: Set<Promise<unknown>> = new Set();
  /** True from a request that is tried again to the next one that is answered. */
  #isAway: boolean = false;
  #count: number = 0;
  #closing: Promise<void> | undefined;

  constructor({ url, key, outageMs, outbox }: RemoteOptions) {
    this.#outbox = outbox;
    this.#outageMs = outageMs;
    this.#connection = new HttpConnection(url, key);
    this.#delivery = new Delivery(this.#connection, outageMs);
    const send = (calls: readonly OutgoingCall[]): Promise<void> => this.#sendCalls(calls);
    // A lease must not run out because a long write is under way.
    this.#lanes = {
      writes: new CallLane(1, send),
      reads: new CallLane(4, send),
      leases: new CallLane(2, send),
      upkeep: new CallLane(2, send),
    };
    const ignore = (): void => undefined; // nobody of this process waits for it
    for (const { json, path } of outbox?.readLeft() ?? [])
      this.#lanes.writes.push({
        json,
        mayBeKept: true,
        keptIn: path,
        sinceMs: performance.now(),
        resolve: ignore,
        reject: ignore,
      });
  }

  async call<Name extends OperationName>(
    name: Name,
    checked: readonly unknown[],
    signal?: AbortSignal,
  ): Promise<OperationReply<Name>> {
    if (this.#closing !== undefined) throw storeClosed();
    const { kind } = operationTable[name];
    if (kind === 'wait') return (await this.#wait(name, checked, signal)) as OperationReply<Name>;
    const reply = await new Promise<unknown>((resolve, reject) => {
      const json = this.#callToJson(name, checked);
      const call: OutgoingCall = {
        json,
        mayBeKept: keptOperations.has(name),
        sinceMs: performance.now(),
        resolve,
        reject,
      };
      if (this.#isAway) this.#keep([call]);
      this.#lanes[laneOf(name)].push(call);
    });
    return decodeReply(name, reply) as OperationReply<Name>;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ends.abort();
    await Promise.all(Object.values(this.#lanes).map((lane) => lane.idle()));
    await Promise.allSettled(this.#waits);
    this.#connection.close();
  }

  /** A call that may not be done twice gets an id, by which the server knows it when it comes again. */
  #callToJson(name: OperationName, given: readonly unknown[]): string {
    const checked = name === 'enqueue' ? [withIds(given[0] as readonly ResolvedEnqueue[])] : given;
    const { mayRepeat } = operationTable[name] as { mayRepeat: (checked: readonly unknown[]) => boolean };
    const id = mayRepeat(checked) ? undefined : `${this.#client}-${++this.#count}`;
    return JSON.stringify({ operation: name, id, arguments: encodeArguments(name, checked) });
  }

  async #sendCalls(given: readonly OutgoingCall[]): Promise<void> {
    let calls = given;
    const join = (sentTo?: string): string =>
      `{${sentTo === undefined ? '' : `"sentTo":${JSON.stringify(sentTo)},`}"calls":[${calls.map(({ json }) => json).join(',')}]}`;
    // The server that is asked again may have been started since, and then does not know what the one before it did.
    const askedFirst = this.#delivery.instance;
    const request = { path: '/v1/store/calls', body: join(), timeoutMs: answerMs };
    // Of the many that may wait when the store is closed, each is sent once: the server was waited for with those before.
    const isOver = this.#closing !== undefined && this.#isAway;
    try {
      const answer = await this.#delivery.send(request, (late) => {
        const isPatient = this.#keepAll(calls) && this.#closing === undefined;
        if (late !== undefined && isPatient) calls = this.#rejectUnkept(calls, late);
        return { body: join(askedFirst), isPatient, isOver };
      });
      this.#isAway = false;
      const { replies } = answer as {
        readonly replies: readonly ({ readonly value: unknown } | { readonly error: ErrorJson })[];
      };
      for (const [index, call] of calls.entries()) {
        const reply = replies[index];
        this.#forget(call, reply !== undefined && 'error' in reply && reply.error.retryable);
        if (reply === undefined) call.reject(noReply());
        else if ('error' in reply) call.reject(decodeError(reply.error));
        else call.resolve(reply.value);
      }
    } catch (error) {
      for (const call of calls) call.reject(toStoreError(error));
    }
  }

  /** Keeps the calls of a request that is tried again, and the writes that wait behind it: this process may be killed before their turn. */
  #keepAll(calls: readonly OutgoingCall[]): boolean {
    this.#isAway = true;
    const isKept = this.#keep(calls);
    this.#keep(this.#lanes.writes.waiting);
    return isKept;
  }

  /** Rejects what no file keeps and has waited for long enough, here and behind; returns the other calls. */
  #rejectUnkept(calls: readonly OutgoingCall[], error: StoreError): readonly OutgoingCall[] {
    const lateMs = performance.now() - this.#outageMs;
    for (const call of this.#lanes.writes.takeBack((call) => call.keptIn === undefined && call.sinceMs <= lateMs))
      call.reject(error);
    return calls.filter((call) => {
      if (call.keptIn === undefined) call.reject(error);
      return call.keptIn !== undefined;
    });
  }

  /** Keeps calls in files while the server is away; returns true when it has any. */
  #keep(calls: readonly OutgoingCall[]): boolean {
    for (const call of calls) if (call.mayBeKept) call.keptIn ??= this.#outbox?.keep(call.json);
    return calls.some(({ keptIn }) => keptIn !== undefined);
  }

  /** Removes the file of a call that was answered. One that may succeed later is given again by its caller, or by the next start. */
  #forget({ keptIn }: OutgoingCall, mayPass: boolean): void {
    if (keptIn !== undefined && !mayPass) this.#outbox?.remove(keptIn);
  }

  async #wait(name: OperationName, checked: readonly unknown[], signal: AbortSignal | undefined): Promise<unknown> {
    const polling = this.#poll(name, checked, signal);
    this.#waits.add(polling);
    try {
      return await polling;
    } finally {
      this.#waits.delete(polling);
    }
  }

  /** Asks until the wait is over: by its subject, by its own time limit, or by its signal. Waits that may end early do so after one request. */
  async #poll(
    name: OperationName,
    [subject, timeoutMs]: readonly unknown[],
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const endMs = timeoutMs === undefined ? Infinity : performance.now() + (timeoutMs as number);
    const ends = signal === undefined ? this.#ends.signal : AbortSignal.any([signal, this.#ends.signal]);
    for (;;) {
      const isCancelled = signal?.aborted === true;
      const leftMs = isCancelled ? 0 : Math.max(0, Math.ceil(endMs - performance.now()));
      const waitMs = Math.min(leftMs, pollMs);
      const body = JSON.stringify(encodeArguments(name, [subject, waitMs]));
      const request = { path: `/v1/store/${name}`, body, timeoutMs: waitMs + answerMs };
      try {
        // One that is cancelled from the start looks once, as a store in this process does.
        const reply = await this.#delivery.send(isCancelled ? request : { ...request, signal: ends });
        return decodeReply(name, reply);
      } catch (error) {
        if (this.#ends.signal.aborted) throw storeClosed();
        const isOver = LightningError.isInstance(error) && error.code === 'timed-out';
        if (signal?.aborted === true && (isOver || ends.aborted)) return cancelled(name, subject, signal);
        if (!isOver || leftMs <= pollMs) throw toStoreError(error);
      }
    }
  }
}

function laneOf(name: OperationName): LaneName {
  if (name === 'heartbeat') return 'leases';
  const { kind } = operationTable[name];
  if (kind === 'read') return 'reads';
  return kind === 'upkeep' || name === 'deleteRun' || name === 'deleteEnded' ? 'upkeep' : 'writes';
}

/** Gives every rollout its id here, so that enqueueing it twice changes nothing. */
function withIds(requests: readonly ResolvedEnqueue[]): readonly ResolvedEnqueue[] {
  return requests.map((request) => ({
    ...request,
    rolloutId: request.rolloutId ?? `ro-${randomUUID().replaceAll('-', '').slice(0, 20)}`,
  }));
}

/** Ends a wait whose signal aborted, as a store in this process does. */
function cancelled(name: OperationName, subject: unknown, signal: AbortSignal): unknown {
  if (name === 'nextEvents') return [];
  if (name === 'waitForWork') return undefined;
  const asked = (subject as readonly string[]).length;
  throw new TimeoutError(`waiting for ${asked} rollouts was cancelled before all of them were final`, {
    code: 'cancelled',
    cause: signal.reason,
  });
}

function noReply(): StoreError {
  return new StoreError('the server answered other calls than it was asked', { code: 'store-unavailable' });
}

function toStoreError(error: unknown): LightningError {
  if (LightningError.isInstance(error)) return error;
  return new StoreError(`the request to the server failed: ${String(error)}`, {
    code: 'store-unavailable',
    cause: error,
  });
}
