import type { JsonObject } from '../../http/read-body.ts';
import { invalidField } from '../../http/reply-error.ts';
import type { KeptItems } from '../kept-items.ts';
import { itemSize } from './item-size.ts';

/** Keeps a conversation up to a response, so that the attempt's next request can name that in place of it. */
export function keepResponse({ responses }: KeptItems, id: string, items: readonly JsonObject[]): void {
  let characters = 0;
  for (const item of items) characters += itemSize(item);
  responses.set(id, items, characters);
}

/** Returns the conversation up to the response that a request names; none where it names none. @throws {ReplyError} `request-invalid` */
export function earlierItems(id: unknown, { responses }: KeptItems): readonly JsonObject[] {
  if (id === undefined || id === null) return [];
  const found = typeof id === 'string' ? responses.get(id) : undefined;
  if (found !== undefined) return found;
  throw invalidField(
    'previous_response_id',
    'is no response that is kept for this attempt; send the whole conversation as `input`',
  );
}
