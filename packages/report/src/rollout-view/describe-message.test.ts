import { expect, it } from 'vitest';
import { saySame } from './describe-message.ts';

const calling = (text: string) => ({
  role: 'assistant' as const,
  content: null,
  tool_calls: [{ id: 'a', type: 'function', function: { name: 'look_up', arguments: text } }],
});

it('finds a message again that a framework sends back in another form', () => {
  expect(saySame(calling('{"item": "red desks"}'), calling('{"item":"red desks"}'))).toBe(true);
  expect(saySame(calling('{"item": "red desks"}'), calling('{"item":"blue desks"}'))).toBe(false);
  expect(saySame(calling('{"item": '), calling('{"item":'))).toBe(false);
  expect(saySame({ role: 'user', content: 'a' }, { role: 'user', content: [{ type: 'text', text: 'a' }] })).toBe(true);
  expect(saySame({ role: 'user', content: 'a' }, { role: 'system', content: 'a' })).toBe(false);
});
