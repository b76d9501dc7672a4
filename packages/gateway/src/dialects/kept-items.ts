import type { JsonObject } from '../http/read-body.ts';

/** The bounds of what a {@link BoundedItems} keeps. */
interface KeptLimits {
  readonly items: number;
  readonly characters: number;
}

/** Values by their id, oldest first; the oldest are forgotten where there are too many. Each comes with its size, which is never measured again. */
class BoundedItems<Value> {
  readonly #limits: KeptLimits;
  readonly #byId = new Map<string, { readonly value: Value; readonly characters: number }>();
  #characters = 0;

  constructor(limits: KeptLimits) {
    this.#limits = limits;
  }

  get(id: string): Value | undefined {
    return this.#byId.get(id)?.value;
  }

  /** Keeps a value as the newest. One that is larger than the bound is not kept, and drives out no other. */
  set(id: string, value: Value, characters: number): void {
    this.#delete(id);
    if (characters > this.#limits.characters) return;
    this.#byId.set(id, { value, characters });
    this.#characters += characters;
    for (const oldest of this.#byId.keys()) {
      if (this.#byId.size <= this.#limits.items && this.#characters <= this.#limits.characters) return;
      this.#delete(oldest);
    }
  }

  #delete(id: string): void {
    this.#characters -= this.#byId.get(id)?.characters ?? 0;
    this.#byId.delete(id);
  }
}

/** The most characters that the references of one request may stand for, and that an attempt's items are kept of: a body's default limit. */
export const mostItemCharacters: number = 20 * 1_048_576;

/** The parts of an attempt's earlier calls that its later requests may refer to. */
export class KeptItems {
  /** Items of earlier replies: more than any refers back to. */
  readonly outputs: BoundedItems<JsonObject> = new BoundedItems({ items: 1_000, characters: mostItemCharacters });
  /** The items of conversations, input and output, up to each response. */
  readonly responses: BoundedItems<readonly JsonObject[]> = new BoundedItems({
    items: 256,
    characters: 4 * 1_048_576,
  });
}
