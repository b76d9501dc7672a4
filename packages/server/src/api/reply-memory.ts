/** The most answers that are kept, how much of them, and for how long: clients ask again within seconds. */
const mostReplies = 20_000;
const mostCharacters = 268_435_456;
const keptMs = 600_000;

interface Kept<Reply> {
  readonly reply: Promise<Reply>;
  readonly sinceMs: number;
  /** The size of the answer as JSON; 0 until it is there. */
  characters: number;
}

/** Keeps the answers of calls that may not be done twice, so that a client whose answer was lost gets it when it asks again. */
export class ReplyMemory<Reply> {
  readonly #kept: Map<string, Kept<Reply>> = new Map();
  readonly #now: () => number;
  readonly #mostCharacters: number;
  #characters: number = 0;

  constructor(options: { readonly now?: () => number; readonly mostCharacters?: number } = {}) {
    this.#now = options.now ?? (() => performance.now());
    this.#mostCharacters = options.mostCharacters ?? mostCharacters;
  }

  /** Returns the answer of the call with this id: the kept one, or that of `work`, which is done once. A failure is not kept. */
  once(id: string, work: () => Promise<Reply>): Promise<Reply> {
    const known = this.#kept.get(id);
    if (known !== undefined) return known.reply;
    const kept: Kept<Reply> = { reply: work(), sinceMs: this.#now(), characters: 0 };
    this.#kept.set(id, kept);
    kept.reply.then(
      (reply) => this.#weigh(id, kept, reply),
      () => this.#drop(id, kept),
    );
    this.#forget();
    return kept.reply;
  }

  #weigh(id: string, kept: Kept<Reply>, reply: Reply): void {
    if (this.#kept.get(id) !== kept) return;
    kept.characters = JSON.stringify(reply)?.length ?? 0;
    this.#characters += kept.characters;
    this.#forget();
  }

  #drop(id: string, kept: Kept<Reply>): void {
    if (this.#kept.get(id) !== kept) return;
    this.#kept.delete(id);
    this.#characters -= kept.characters;
  }

  /** Forgets the oldest: those that nobody asks for any more. The newest is kept, whatever its size. */
  #forget(): void {
    for (const [id, kept] of this.#kept) {
      const isFull = this.#kept.size > mostReplies || this.#characters > this.#mostCharacters;
      if (this.#kept.size === 1 || (!isFull && this.#now() - kept.sinceMs < keptMs)) return;
      this.#drop(id, kept);
    }
  }
}
