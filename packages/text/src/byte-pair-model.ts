/** Encodes words by byte pairs, with a vocabulary that was built elsewhere. */
import * as library from '@huggingface/tokenizers';

import type { JsonObject } from './model-files.ts';
import type { Vocabulary } from './vocabulary.ts';

/** A part of a word, as the library links them. */
interface Part {
  readonly token: string;
  readonly bias: number;
  readonly next: Part;
  score?: number;
}

/** The library's model, as far as it is used here. */
interface LibraryModel {
  tokens_to_ids: ReadonlyMap<string, number>;
  vocab: readonly string[];
  unk_token_id: number | undefined;
  add_node(queue: { push(part: Part): void }, part: Part): void;
}

// The library exports this class, and its declarations do not show it.
const LibraryBytePairs: new (config: JsonObject) => LibraryModel = (
  library as unknown as { readonly BPE: new (config: JsonObject) => LibraryModel }
).BPE;

/**
 * The library's algorithm on our vocabulary. Its own holds the event loop while it is built, and keys merges by their JSON, which
 * takes more time and memory than two ids.
 */
export class BytePairModel extends LibraryBytePairs {
  readonly #vocabulary: Vocabulary;

  /** @param config the model's settings; its tokens and merges are not looked at */
  constructor(config: JsonObject, vocabulary: Vocabulary) {
    super({ ...config, vocab: {}, merges: [] });
    this.#vocabulary = vocabulary;
    this.tokens_to_ids = vocabulary.ids;
    this.vocab = vocabulary.tokens;
    this.unk_token_id = vocabulary.ids.get(String(config['unk_token']));
  }

  /** Puts a part into the queue if it can be merged with the next. */
  override add_node(queue: { push(part: Part): void }, part: Part): void {
    const rank = this.#vocabulary.rankOf(part.token, part.next.token);
    if (rank === undefined) return;
    part.score = rank + part.bias;
    queue.push(part);
  }
}
