/** The most answers that are kept, and for how long: clients ask again within seconds. */
const mostReplies = 20_000;
const keptMs = 600_000;

interface Kept<Reply> {
  readonly reply: Promise<Reply>;
  readonly sinceMs: number;
}

/** Keeps the answers of calls that may not be done twice, so that a client whose answer was lost gets it when it asks again. */
export class ReplyMemory<Reply> {
  readonly #kept: Map<string, Kept<Reply>> = new Map();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Returns the answer of the call with this id: the kept one, or that of `work`, which is done once. A failure is not kept. */
  once(id: string, work: () => Promise<Reply>): Promise<Reply> {
    const known = this.#kept.get(id);
    if (known !== undefined) return known.reply;
    this.#forget();
    const reply = work();
    this.#kept.set(id, { reply, sinceMs: this.#now() });
    reply.catch(() => this.#kept.delete(id));
    return reply;
  }

  /** Forgets the oldest: those that nobody asks for any more. */
  #forget(): void {
    for (const [id, { sinceMs }] of this.#kept) {
      if (this.#kept.size < mostReplies && this.#now() - sinceMs < keptMs) return;
      this.#kept.delete(id);
    }
  }
}
