import { expect, it } from 'vitest';
import type { KnownServer } from '../policies/own-models.ts';
import type { HttpReply } from '../upstream/http-exchange.ts';
import { replyHeaders } from './own-headers.ts';

it('hides a key in the headers of a reply, and leaves what programs read as it is, however short the key', () => {
  const headers = { 'Content-Type': 'text/event-stream', 'retry-after': '1', 'x-echo': ['Bearer e1', 'other'] };
  const shown = (apiKey: string): unknown =>
    replyHeaders({ headers } as unknown as HttpReply, { apiKey } as KnownServer);
  expect(shown('e1')).toEqual({ ...headers, 'x-echo': ['Bearer [key]', 'other'] });
  expect(shown('1')).toEqual({ ...headers, 'x-echo': ['Bearer e[key]', 'other'] });
  expect(shown('text')).toEqual(headers);
});
