import { expect, it } from 'vitest';
import { ChatTurns } from './chat-turns.ts';

it('adds more parts than a list of arguments may have', () => {
  const turns = new ChatTurns();
  turns.addText(Array.from({ length: 200_000 }, () => ({ type: 'text', text: 'a' })));
  expect(turns.toMessages()).toMatchObject([{ role: 'assistant', content: { length: 200_000 } }]);
});
