import { GatewayError, LightningError, type TrainingGateway } from '@agent-lightning/core';
import { ReplyError } from '../http/reply-error.ts';
import { hashKey, isKey, mintKey } from './attempt-key.ts';
import { AttemptSession, type AttemptPrompts, type OpenClaim } from './attempt-session.ts';
import type { SpanStore, WriteWindow } from './write-window.ts';

type OpenCall = ReturnType<NonNullable<TrainingGateway['openCalls']>>[number];
type AttemptIds = Pick<OpenClaim['attempt'], 'rolloutId' | 'attemptId'>;

const rememberedKeys = 4_096;
/** An attempt is closed again within its lease, when an answer was lost; so many may end in that time. */
const rememberedEnds = 65_536;

/** The attempts that may call now, each with its own key. */
export class AttemptRegistry {
  readonly #store: SpanStore;
  readonly #window: WriteWindow;
  readonly #open = new Map<string, AttemptSession>();
  readonly #attemptOfKey = new Map<string, string>();
  /** Keys of attempts that ended, oldest first: a caller that still uses one is told that its attempt ended. */
  readonly #deadKeys = new Set<string>();
  /** Attempts whose key is dead and whose spans are not all stored yet. */
  readonly #closing = new Map<string, AttemptSession>();
  /** Attempts all of whose calls are stored, oldest first. */
  readonly #stored = new Set<string>();

  constructor(store: SpanStore, window: WriteWindow) {
    this.#store = store;
    this.#window = window;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Returns the attempts that are open now. */
  list(): readonly (AttemptIds & { readonly inFlight: number })[] {
    return [...this.#open.values()].map(({ claim, inFlight }) => ({
      rolloutId: claim.attempt.rolloutId,
      attemptId: claim.attempt.attemptId,
      inFlight,
    }));
  }

  /** Returns the calls of all attempts that go on now. */
  openCalls(): readonly OpenCall[] {
    return [...this.#open.values(), ...this.#closing.values()].flatMap(({ claim, openCalls }) =>
      openCalls.map((call) => ({ rolloutId: claim.attempt.rolloutId, ...call })),
    );
  }

  /**
   * Returns a key of the attempt; it is not kept. Opening it again before any call gives a further key: the first answer may have been lost, or be
   * late. @param mint makes it @param prompts the texts that the rollout tries
   * @throws {GatewayError} `request-invalid` when the attempt is open already, and called
   */
  open(claim: OpenClaim, mint: () => string = mintKey, prompts?: AttemptPrompts): string {
    const { rolloutId, attemptId } = claim.attempt;
    const id = sessionId(rolloutId, attemptId);
    const session = this.#open.get(id) ?? new AttemptSession(claim, this.#store, this.#window, prompts);
    if (session.isCalled)
      throw new GatewayError(`attempt ${attemptId} of rollout ${rolloutId} is open and called; close it first`, {
        code: 'request-invalid',
      });
    const key = mint();
    const keyHash = hashKey(key);
    session.keyHashes.push(keyHash);
    this.#open.set(id, session);
    this.#attemptOfKey.set(keyHash.toString('base64'), id);
    return key;
  }

  /** Returns an open attempt. @throws {GatewayError} `attempt-unknown` */
  find({ rolloutId, attemptId }: AttemptIds): AttemptSession {
    const session = this.#open.get(sessionId(rolloutId, attemptId));
    if (session !== undefined) return session;
    throw new GatewayError(`attempt ${attemptId} of rollout ${rolloutId} is not open at this gateway`, {
      code: 'attempt-unknown',
    });
  }

  /** Returns the attempt that a URL names, to a caller that has its key. @throws {ReplyError} `unauthorized` | `forbidden` */
  authorize(rolloutId: string, attemptId: string, key: string | undefined): AttemptSession {
    const id = sessionId(rolloutId, attemptId);
    const session = this.#open.get(id);
    if (session?.keyHashes.some((keyHash) => isKey(key, keyHash)) === true) {
      session.isCalled = true;
      return session;
    }
    if (key === undefined)
      throw new ReplyError('no API key; send the attempt’s key in `Authorization: Bearer …` or `x-api-key`', {
        code: 'unauthorized',
      });
    const digest = hashKey(key).toString('base64');
    if (this.#attemptOfKey.has(digest))
      throw new ReplyError('this key is another attempt’s; a key is good for the URL that it came with', {
        code: 'forbidden',
      });
    if (this.#deadKeys.has(digest))
      throw new ReplyError('the attempt of this key has ended, and the key with it', { code: 'forbidden' });
    throw new ReplyError('the API key is not valid here', { code: 'unauthorized' });
  }

  /**
   * Ends the key at once, then resolves when every call of the attempt is stored. Repeating it stores what failed before.
   * @throws {GatewayError} `attempt-unknown` for an attempt that this gateway did not open: one that it served before it was started
   * again, whose last calls may be lost; and what the store threw
   */
  async close({ rolloutId, attemptId }: AttemptIds, graceMs: number): Promise<void> {
    const id = sessionId(rolloutId, attemptId);
    if (this.#stored.has(id)) return;
    const session = this.#open.get(id) ?? this.#closing.get(id);
    if (session === undefined)
      throw new GatewayError(
        `attempt ${attemptId} of rollout ${rolloutId} is not known to this gateway, which was started after it opened; calls of the attempt may be lost, so run it again`,
        { code: 'attempt-unknown' },
      );
    this.#retire(id, session);
    try {
      await session.close(graceMs);
    } catch (error) {
      if (isRefused(error)) this.#closing.delete(id); // no later write would be taken
      throw error;
    }
    this.#closing.delete(id);
    addBounded(this.#stored, id, rememberedEnds);
  }

  /** Closes every attempt; rejects with the first failure after all were tried. Attempts whose leases are over are not its failure: their runners were told. */
  async closeAll(graceMs: number): Promise<void> {
    const attempts = [...this.#open.values(), ...this.#closing.values()].map((session) => session.claim.attempt);
    const results = await Promise.allSettled(attempts.map((attempt) => this.close(attempt, graceMs)));
    for (const result of results) if (result.status === 'rejected' && !isRefused(result.reason)) throw result.reason;
  }

  #retire(id: string, session: AttemptSession): void {
    if (!this.#open.delete(id)) return;
    this.#closing.set(id, session);
    for (const keyHash of session.keyHashes) {
      const digest = keyHash.toString('base64');
      this.#attemptOfKey.delete(digest);
      addBounded(this.#deadKeys, digest, rememberedKeys);
    }
  }
}

/** Adds a value to a set that keeps the newest ones. */
function addBounded(values: Set<string>, value: string, limit: number): void {
  values.add(value);
  if (values.size <= limit) return;
  const [oldest] = values;
  values.delete(oldest!);
}

/** Tells whether the store refuses every write to an attempt, because its lease is over or its rollout is gone. */
function isRefused(error: unknown): boolean {
  return LightningError.isInstance(error) && (error.code === 'store-fenced' || error.code === 'store-not-found');
}

function sessionId(rolloutId: string, attemptId: string): string {
  return `${rolloutId}\n${attemptId}`;
}
