import type { LightningError } from '@agent-lightning/core';

/** One operation on its way to the server. */
export interface OutgoingCall {
  /** The call as JSON. */
  readonly json: string;
  /** True for a write that an outbox keeps while the server is away. */
  readonly mayBeKept: boolean;
  /** The moment of the call, in milliseconds of `performance.now()`. */
  readonly sinceMs: number;
  /** The file that keeps it. */
  keptIn?: string | undefined;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: LightningError) => void;
}

const mostCalls = 256;
const mostCharacters = 8_388_608;

/**
 * Sends calls in the order in which they were made. What is called while others are under way goes out together in one request, so that
 * many small writes cost few round trips.
 */
export class CallLane {
  readonly #send: (calls: readonly OutgoingCall[]) => Promise<void>;
  readonly #mostUnderWay: number;
  #waiting: OutgoingCall[] = [];
  #underWay: number = 0;
  #isScheduled: boolean = false;
  #onIdle: (() => void)[] = [];

  /** @param mostUnderWay the most requests at once; with 1, writes arrive in the order of their calls */
  constructor(mostUnderWay: number, send: (calls: readonly OutgoingCall[]) => Promise<void>) {
    this.#mostUnderWay = mostUnderWay;
    this.#send = send;
  }

  push(call: OutgoingCall): void {
    this.#waiting.push(call);
    if (this.#isScheduled || this.#underWay >= this.#mostUnderWay) return;
    this.#isScheduled = true;
    // Calls of one turn go together.
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#pump();
    });
  }

  /** Returns the calls that are not on their way yet, the oldest first. */
  get waiting(): readonly OutgoingCall[] {
    return this.#waiting;
  }

  /** Removes those of the waiting calls that are chosen, and returns them. */
  takeBack(isChosen: (call: OutgoingCall) => boolean): readonly OutgoingCall[] {
    const chosen: OutgoingCall[] = [];
    const others: OutgoingCall[] = [];
    for (const call of this.#waiting) (isChosen(call) ? chosen : others).push(call);
    this.#waiting = others;
    return chosen;
  }

  /** Resolves when nothing waits and nothing is under way. */
  async idle(): Promise<void> {
    if (this.#waiting.length === 0 && this.#underWay === 0) return;
    await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  #pump(): void {
    while (this.#waiting.length > 0 && this.#underWay < this.#mostUnderWay) {
      this.#underWay++;
      void this.#send(this.#takeNext()).finally(() => {
        this.#underWay--;
        this.#pump();
      });
    }
    if (this.#waiting.length > 0 || this.#underWay > 0) return;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #takeNext(): readonly OutgoingCall[] {
    let characters = 0;
    let count = 0;
    while (count < this.#waiting.length && count < mostCalls) {
      characters += (this.#waiting[count] as OutgoingCall).json.length;
      if (count > 0 && characters > mostCharacters) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }
}
