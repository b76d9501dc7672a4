import { hash } from 'node:crypto';
import { TraceRecorder, type promptKit } from '@agent-lightning/tracing';
import { check, type Claim, type RolloutMode } from '@agent-lightning/core';
import { ReplyError } from '../http/reply-error.ts';
import { KeptItems } from '../dialects/kept-items.ts';
import type { ModelNames } from '../policies/answered-names.ts';
import type { SpanStore, WriteWindow } from './write-window.ts';

/** The part of a claim that a gateway needs. */
export interface OpenClaim {
  readonly rollout: Pick<Claim['rollout'], 'rolloutId' | 'mode'> &
    Partial<Pick<Claim['rollout'], 'metadata' | 'resourcesId'>>;
  readonly attempt: Pick<Claim['attempt'], 'rolloutId' | 'attemptId' | 'attemptNumber'>;
  readonly lease: Claim['lease'];
}

/** Checks that a claim has the parts that are needed of it. @throws {ConfigurationError} `option-invalid` */
export function checkClaim(owner: string, claim: OpenClaim, parts: readonly (keyof OpenClaim)[]): void {
  for (const part of parts)
    if (typeof claim?.[part] !== 'object' || claim[part] === null)
      throw check.optionInvalid(`${owner}: claim.${part}`, claim?.[part], 'as the claim of a store has it');
}

interface FollowedCall {
  readonly running: Promise<void>;
  readonly agent: string | undefined;
  readonly startedAtMs: number;
}

/** The texts that a rollout tries in model calls, or that are written down there. */
export type AttemptPrompts = ReturnType<typeof promptKit.readWirePrompts>;

/** One attempt whose model calls come through the gateway. */
export class AttemptSession {
  readonly claim: OpenClaim;
  readonly mode: RolloutMode;
  readonly recorder: TraceRecorder;
  /** The hashes of its keys: of more than one where it was opened again before any call. All are good, for whichever answer arrived. */
  readonly keyHashes: Buffer[] = [];
  /** Undefined where calls keep their texts. */
  readonly prompts: AttemptPrompts | undefined;
  /** Items of the attempt's earlier replies, for dialects whose requests may refer to them. */
  readonly kept: KeptItems = new KeptItems();
  /** Further names by which the attempt's agents ask for their model, besides those of the gateway. */
  answersTo: ModelNames = [];
  /** True once a key of it has been shown, so that the answer with it must have arrived. */
  isCalled = false;
  readonly #window: WriteWindow;
  #storedBytes = 0;
  #replyBytes = 0;
  #isClosed = false;
  readonly #calls = new Map<AbortController, FollowedCall>();
  readonly #callCounts = new Map<string, number>();
  readonly #firstVersions = new Map<string, number>();

  constructor(claim: OpenClaim, store: SpanStore, window: WriteWindow, prompts?: AttemptPrompts) {
    this.claim = claim;
    this.prompts = prompts;
    this.mode = claim.rollout.mode;
    this.#window = window;
    const appendSpans: SpanStore['appendSpans'] = async (lease, spans) => {
      if (!this.#isClosed) await window.wait();
      return store.appendSpans(lease, spans);
    };
    this.recorder = new TraceRecorder({ store: { appendSpans }, lease: claim.lease });
  }

  get inFlight(): number {
    return this.#calls.size;
  }

  /** Returns the calls that go on now, the oldest first: the agent that makes each, where it is known, and for how long. */
  get openCalls(): readonly { readonly agent: string | undefined; readonly forMs: number }[] {
    return [...this.#calls.values()].map(({ agent, startedAtMs }) => ({
      agent,
      forMs: performance.now() - startedAtMs,
    }));
  }

  /**
   * Returns a seed for the caller's next call: the same for the same rollout, or one that replaces it in a resumed run, the same attempt
   * number, caller and position, so that a run can be repeated whatever else runs beside it, and whenever it was stopped.
   */
  nextSeed(seed: number, caller: readonly string[]): number {
    const name = JSON.stringify(caller);
    const index = this.#callCounts.get(name) ?? 0;
    this.#callCounts.set(name, index + 1);
    const { rollout, attempt } = this.claim;
    const firstId = rollout.metadata?.['replaces'] ?? rollout.rolloutId;
    const drawn = JSON.stringify([seed, firstId, attempt.attemptNumber, name, index]);
    return hash('sha256', drawn, 'buffer').readUInt32BE(0) >>> 1;
  }

  /** Returns the version of a policy that answered the attempt's first call to it, or the given one when this is the first. */
  firstVersion(policy: string, version: number): number {
    const first = this.#firstVersions.get(policy) ?? version;
    this.#firstVersions.set(policy, first);
    return first;
  }

  /**
   * Counts what a call puts into the store.
   * @param maxBytes refuses a call that would bring the attempt over so many; undefined for what an admitted call adds when it ends
   * @throws {ReplyError} `request-too-large`
   */
  countStored(bytes: number, maxBytes?: number): void {
    if (maxBytes !== undefined && this.#storedBytes + bytes > maxBytes)
      throw new ReplyError(
        `the calls of this attempt have put ${this.#storedBytes} bytes into the store, and this one has ${bytes} more; an attempt may have ${maxBytes}: send less, or raise the gateway's maxAttemptStoredBytes`,
        { code: 'request-too-large', replyCode: 'attempt-full' },
      );
    this.#storedBytes += bytes;
  }

  /**
   * Runs a call whose reply counts among those of the attempt in flight until it is over.
   * @param maxBytes the most that these may have together; the call that brings them over it fails with `attempt-replies-full`
   */
  async holdReply<Result>(
    maxBytes: number,
    work: (onBytes: (bytes: number) => void) => Promise<Result>,
  ): Promise<Result> {
    let held = 0;
    const onBytes = (bytes: number): void => {
      held += bytes;
      this.#replyBytes += bytes;
      if (this.#replyBytes <= maxBytes) return;
      throw new ReplyError(
        `the replies in flight of this attempt have more than ${maxBytes} bytes; ask for less at once, or raise the gateway's maxAttemptReplyBytes`,
        { code: 'request-too-large', replyCode: 'attempt-replies-full' },
      );
    };
    try {
      return await work(onBytes);
    } finally {
      this.#replyBytes -= held;
    }
  }

  /** Follows a call until it is over, so that the attempt can wait for it or end it. @throws {ReplyError} `cancelled` when the attempt has ended */
  async follow(controller: AbortController, work: () => Promise<void>, agent?: string): Promise<void> {
    if (this.#isClosed) throw attemptEnded();
    const startedAtMs = performance.now();
    const running = work();
    this.#calls.set(controller, { running, agent, startedAtMs });
    try {
      await running;
    } finally {
      this.#calls.delete(controller);
    }
  }

  /** Resolves when no call is left: those that are not over in time are ended. Then stores every span. @throws what the store threw */
  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    if (this.#calls.size > 0) {
      const ended = Promise.allSettled([...this.#calls.values()].map(({ running }) => running));
      const timer = setTimeout(() => {
        for (const controller of this.#calls.keys()) controller.abort(attemptEnded());
      }, graceMs);
      await ended;
      clearTimeout(timer);
    }
    this.#window.close();
    await this.recorder.close();
  }
}

function attemptEnded(): ReplyError {
  return new ReplyError('the attempt ended before the call did', { code: 'cancelled' });
}
