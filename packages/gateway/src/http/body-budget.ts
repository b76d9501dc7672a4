import type { IncomingMessage } from 'node:http';
import { mostHeldBytes, readJsonBody, type BodyLimits, type JsonObject, type KeepTexts } from './read-body.ts';
import { ReplyError } from './reply-error.ts';

export interface BodyBudgetOptions extends BodyLimits {
  /** The most memory that the bodies of all requests in flight may hold. */
  readonly maxHeldBytes: number;
  /** The most memory that those of one owner may hold. */
  readonly maxOwnerBytes: number;
  /** The most requests of one owner that may be in flight; four times as many more may wait. @default no bound */
  readonly maxOwnerRequests?: number;
  /** The longest time that a request waits for room. */
  readonly bodyWaitMs: number;
  /** Calls `work` after so many milliseconds. @default a timer that does not keep the process alive */
  readonly schedule?: (work: () => void, milliseconds: number) => void;
}

/** Counts what an owner holds now. */
interface Holding {
  bytes: number;
  requests: number;
  waiting: number;
  /** True while the owner pays for a body that held the event loop. */
  isResting: boolean;
}

/** The time of parsing that costs an owner nothing: most bodies take less than a millisecond. */
const freeMs = 25;
/** The rest for each millisecond over that, so that one owner has a fifth of the event loop at most. */
const restFactor = 4;
const waitersPerRequest = 4;

function scheduleLater(work: () => void, milliseconds: number): void {
  setTimeout(work, milliseconds).unref();
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
  readonly #options: Required<BodyBudgetOptions>;
  readonly #holdings = new Map<object, Holding>();
  #heldInAll = 0;
  #waiting: Waiter[] = [];

  constructor(options: BodyBudgetOptions) {
    this.#options = { maxOwnerRequests: Infinity, schedule: scheduleLater, ...options };
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
      const onHeld = (milliseconds: number): void => this.#rest(owner, milliseconds);
      const { body, heldBytes } = await readJsonBody(request, this.#options, keepTexts, onHeld);
      this.#give(owner, held - heldBytes, 0);
      held = heldBytes;
      await work(body);
    } finally {
      this.#give(owner, held, 1);
    }
  }

  /** Lets an owner's next body wait in proportion to what its last one cost, for which its bytes and values are a poor measure. */
  #rest(owner: object, heldMs: number): void {
    if (heldMs <= freeMs) return;
    const holding = this.#holdingOf(owner);
    holding.isResting = true;
    this.#options.schedule(() => {
      holding.isResting = false;
      this.#forget(owner, holding);
      this.#admitWaiting();
    }, restFactor * heldMs);
  }

  #holdingOf(owner: object): Holding {
    const known = this.#holdings.get(owner);
    if (known !== undefined) return known;
    const holding = { bytes: 0, requests: 0, waiting: 0, isResting: false };
    this.#holdings.set(owner, holding);
    return holding;
  }

  #forget(owner: object, { requests, waiting, isResting }: Holding): void {
    if (requests === 0 && waiting === 0 && !isResting) this.#holdings.delete(owner);
  }

  /** Returns why an owner may have no further request in flight now; undefined when it may. */
  #limitOf({ owner, bytes }: Waiter): string | undefined {
    const held = this.#holdingOf(owner);
    const { maxOwnerRequests, maxOwnerBytes } = this.#options;
    if (held.isResting) return `took the gateway long to read`;
    if (held.requests >= maxOwnerRequests)
      return `are ${maxOwnerRequests}, as many as they may be; ask for less at once, or raise the gateway's maxAttemptCalls`;
    // One body always passes, however small the budget is.
    return held.bytes > 0 && held.bytes + bytes > maxOwnerBytes
      ? `hold the ${maxOwnerBytes} bytes that they may; ask for less at once, or raise the gateway's maxAttemptHeldBytes`
      : undefined;
  }

  #isFull({ bytes }: Waiter): boolean {
    return this.#heldInAll > 0 && this.#heldInAll + bytes > this.#options.maxHeldBytes;
  }

  #take(owner: object, bytes: number, request: IncomingMessage): Promise<void> {
    const waiter: Waiter = { owner, bytes, turn: Promise.withResolvers() };
    const holding = this.#holdingOf(owner);
    if (holding.waiting >= waitersPerRequest * this.#options.maxOwnerRequests)
      return Promise.reject(this.#refusal(waiter));
    holding.waiting += 1;
    this.#waiting.push(waiter);
    this.#admitWaiting();
    return this.#waiting.includes(waiter) ? this.#wait(waiter, request) : waiter.turn.promise;
  }

  /** Waits for a turn for as long as the agent keeps its connection, and no longer than `bodyWaitMs`. */
  async #wait(waiter: Waiter, request: IncomingMessage): Promise<void> {
    const leave = (error: ReplyError): void => {
      this.#waiting = this.#waiting.filter((other) => other !== waiter);
      const holding = this.#holdingOf(waiter.owner);
      holding.waiting -= 1;
      this.#forget(waiter.owner, holding);
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

  #give(owner: object, bytes: number, requests: number): void {
    const holding = this.#holdingOf(owner);
    holding.bytes -= bytes;
    holding.requests -= requests;
    this.#forget(owner, holding);
    this.#heldInAll -= bytes;
    if (this.#waiting.length > 0) this.#admitWaiting();
  }

  /** Admits in the order of arrival, past those whose owner is full: a large body is not overtaken for ever by small ones. */
  #admitWaiting(): void {
    const still: Waiter[] = [];
    let isFull = false;
    for (const waiter of this.#waiting) {
      const waits: boolean = isFull || this.#limitOf(waiter) !== undefined;
      isFull ||= !waits && this.#isFull(waiter);
      if (waits || isFull) {
        still.push(waiter);
        continue;
      }
      const holding = this.#holdingOf(waiter.owner);
      holding.bytes += waiter.bytes;
      holding.requests += 1;
      holding.waiting -= 1;
      this.#heldInAll += waiter.bytes;
      waiter.turn.resolve();
    }
    this.#waiting = still;
  }

  #refusal(waiter: Waiter): ReplyError {
    const { bodyWaitMs, maxHeldBytes } = this.#options;
    const own = this.#limitOf(waiter);
    const isOwn = own !== undefined;
    return new ReplyError(
      isOwn
        ? `the requests in flight of this key ${own}`
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
