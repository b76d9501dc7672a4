import type { JsonObject } from '../../http/read-body.ts';
import { invalidField } from '../../http/reply-error.ts';
import type { KeptItems } from '../dialect.ts';
import { itemSize } from './item-size.ts';

/** The most characters that the conversations of an attempt's responses are kept of, and the most responses. */
const [mostCharacters, mostResponses] = [4 * 1_048_576, 256];

/** The items of a response's input and output, kept under the response's id. */
interface KeptResponse extends JsonObject {
  readonly type: 'response';
  readonly items: readonly JsonObject[];
}

function isResponse(item: JsonObject | undefined): item is KeptResponse {
  return item?.['type'] === 'response';
}

const sizeOf = ({ items }: KeptResponse): number => items.reduce((sum, item) => sum + itemSize(item), 0);

/** Keeps a conversation up to a response, so that the attempt's next request can name that in place of it; the oldest are forgotten. */
export function keepResponse(kept: KeptItems, id: string, items: readonly JsonObject[]): void {
  const response: KeptResponse = { type: 'response', items };
  if (sizeOf(response) > mostCharacters) return;
  kept.set(id, response);
  const responses = [...kept].filter((entry): entry is [string, KeptResponse] => isResponse(entry[1]));
  let characters = responses.reduce((sum, [, each]) => sum + sizeOf(each), 0);
  for (const [index, [oldestId, oldest]] of responses.entries()) {
    if (characters <= mostCharacters && responses.length - index <= mostResponses) return;
    kept.delete(oldestId);
    characters -= sizeOf(oldest);
  }
}

/** Returns the conversation up to the response that a request names; none where it names none. @throws {ReplyError} `request-invalid` */
export function earlierItems(id: unknown, kept: KeptItems): readonly JsonObject[] {
  if (id === undefined || id === null) return [];
  const found = typeof id === 'string' ? kept.get(id) : undefined;
  if (isResponse(found)) return found.items;
  throw invalidField(
    'previous_response_id',
    'is no response that is kept for this attempt; send the whole conversation as `input`',
  );
}
