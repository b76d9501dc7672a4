import type { IncomingMessage } from 'node:http';
import { mostHeldBytes, readJsonBody, type BodyLimits, type JsonObject, type KeepTexts } from './read-body.ts';
import { ReplyError } from './reply-error.ts';

export interface BodyBudgetOptions extends BodyLimits {
  /** The most memory that the bodies of all requests in flight may hold. */
  readonly maxHeldBytes: number;
  /** The most memory that those of one owner may hold. */
  readonly maxOwnerBytes: number;
  /** The longest time that a request waits for room. */
  readonly bodyWaitMs: number;
}

interface Waiter {
  readonly owner: object;
  readonly bytes: number;
  readonly turn: PromiseWithResolvers<void>;
}

/**
 * Bounds the memory that the bodies of requests hold while they are read and answered, for each owner and in all. A request
 * that finds no room is not read until there is some, in the order of arrival; one owner's never wait for another owner's share.
 */
export class BodyBudget {
  readonly #options: BodyBudgetOptions;
  readonly #held = new Map<object, number>();
  #heldInAll = 0;
  #waiting: Waiter[] = [];

  constructor(options: BodyBudgetOptions) {
    this.#options = options;
  }

  /** Returns the memory that the bodies of requests in flight hold now. */
  get heldBytes(): number {
    return this.#heldInAll;
  }

  /** Returns the number of requests that wait for room. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Reads the body of an owner's request when there is room for it, and holds that room until `work` is over.
   * @param keepTexts sees the body's text before it is dropped
   * @throws {ReplyError} `paused` with Retry-After, as 429 for a full owner and 503 for a full gateway, when none comes in time; what `readJsonBody` throws
   */
  async withBody(
    owner: object,
    request: IncomingMessage,
    work: (body: JsonObject) => Promise<void>,
    keepTexts?: KeepTexts,
  ): Promise<void> {
    let held = mostHeldBytes(request, this.#options);
    await this.#take(owner, held, request);
    try {
      const { body, heldBytes } = await readJsonBody(request, this.#options, keepTexts);
      this.#give(owner, held - heldBytes);
      held = heldBytes;
      await work(body);
    } finally {
      this.#give(owner, held);
    }
  }

  #isOwnerFull({ owner, bytes }: Waiter): boolean {
    const held = this.#held.get(owner) ?? 0;
    // One body always passes, however small the budget is.
    return held > 0 && held + bytes > this.#options.maxOwnerBytes;
  }

  #isFull({ bytes }: Waiter): boolean {
    return this.#heldInAll > 0 && this.#heldInAll + bytes > this.#options.maxHeldBytes;
  }

  #take(owner: object, bytes: number, request: IncomingMessage): Promise<void> {
    const waiter: Waiter = { owner, bytes, turn: Promise.withResolvers() };
    this.#waiting.push(waiter);
    this.#admitWaiting();
    return this.#waiting.includes(waiter) ? this.#wait(waiter, request) : waiter.turn.promise;
  }

  /** Waits for a turn for as long as the agent keeps its connection, and no longer than `bodyWaitMs`. */
  async #wait(waiter: Waiter, request: IncomingMessage): Promise<void> {
    const leave = (error: ReplyError): void => {
      this.#waiting = this.#waiting.filter((other) => other !== waiter);
      waiter.turn.reject(error);
      this.#admitWaiting();
    };
    const onClose = (): void =>
      leave(new ReplyError('the agent went away before its request was read', { code: 'cancelled' }));
    const timer = setTimeout(() => leave(this.#refusal(waiter)), this.#options.bodyWaitMs);
    request.once('close', onClose);
    try {
      await waiter.turn.promise;
    } finally {
      clearTimeout(timer);
      request.off('close', onClose);
    }
  }

  #give(owner: object, bytes: number): void {
    const held = (this.#held.get(owner) ?? 0) - bytes;
    if (held > 0) this.#held.set(owner, held);
    else this.#held.delete(owner);
    this.#heldInAll -= bytes;
    if (this.#waiting.length > 0) this.#admitWaiting();
  }

  /** Admits in the order of arrival, past those whose owner is full: a large body is not overtaken for ever by small ones. */
  #admitWaiting(): void {
    const still: Waiter[] = [];
    let isFull = false;
    for (const waiter of this.#waiting) {
      const waits: boolean = isFull || this.#isOwnerFull(waiter);
      isFull ||= !waits && this.#isFull(waiter);
      if (waits || isFull) {
        still.push(waiter);
        continue;
      }
      this.#held.set(waiter.owner, (this.#held.get(waiter.owner) ?? 0) + waiter.bytes);
      this.#heldInAll += waiter.bytes;
      waiter.turn.resolve();
    }
    this.#waiting = still;
  }

  #refusal(waiter: Waiter): ReplyError {
    const { bodyWaitMs, maxOwnerBytes, maxHeldBytes } = this.#options;
    const isOwn = this.#isOwnerFull(waiter);
    return new ReplyError(
      isOwn
        ? `the requests in flight of this key hold the ${maxOwnerBytes} bytes that they may, for ${bodyWaitMs} ms now; ask for less at once, or raise the gateway's maxAttemptHeldBytes`
        : `the requests in flight hold the ${maxHeldBytes} bytes that they may, for ${bodyWaitMs} ms now; try again, or raise the gateway's maxHeldBytes`,
      {
        code: 'paused',
        status: isOwn ? 429 : 503,
        replyCode: isOwn ? 'attempt-busy' : 'gateway-busy',
        retryable: true,
        headers: { 'retry-after': '5' },
      },
    );
  }
}
