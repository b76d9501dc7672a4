/** Holds the tokens and merges of a byte-pair tokenizer. */
import { corrupt, type JsonObject } from './model-files.ts';

/** Ids are below this, so that two of them make one number that is exact. */
const mostIds = 2 ** 26;

/** The tokens with their ids, and the merges with their ranks. */
export class Vocabulary {
  readonly ids: Map<string, number> = new Map();
  /** The tokens by id; ids that have none are holes. */
  readonly tokens: string[] = [];
  readonly #ranks = new Map<number, number>();
  readonly #source: string;
  #merges = 0;

  /** @param source names the model in errors */
  constructor(source: string) {
    this.#source = source;
  }

  /** Adds tokens with their ids. @throws {BackendError} `checkpoint-corrupt` for an id that is none */
  addTokens(entries: JsonObject): void {
    for (const [token, id] of Object.entries(entries)) {
      if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0 || id >= mostIds)
        throw this.#corrupt(`the token ${JSON.stringify(token)} has the id ${JSON.stringify(id)}`);
      this.addToken(token, id);
    }
  }

  addToken(token: string, id: number): void {
    this.ids.set(token, id);
    this.tokens[id] = token;
  }

  /** Adds merges, as pairs or as texts with a space between; earlier ones go first. @throws {BackendError} `checkpoint-corrupt` */
  addMerges(merges: readonly unknown[]): void {
    for (const merge of merges) {
      const pair: readonly unknown[] =
        typeof merge === 'string' ? merge.split(' ', 2) : Array.isArray(merge) ? merge : [];
      const [left, right] = pair.map((part) => this.ids.get(part as string));
      if (left === undefined || right === undefined)
        throw this.#corrupt(`the merge ${JSON.stringify(merge)} names no two tokens of the vocabulary`);
      this.#ranks.set(left * mostIds + right, this.#merges);
      this.#merges += 1;
    }
  }

  /** Returns the place of a merge in the order in which they are done; undefined when the two are not merged. */
  rankOf(left: string, right: string): number | undefined {
    const [first, second] = [this.ids.get(left), this.ids.get(right)];
    return first === undefined || second === undefined ? undefined : this.#ranks.get(first * mostIds + second);
  }

  #corrupt(problem: string): Error {
    return corrupt(this.#source, `tokenizer.json: ${problem}`);
  }
}
