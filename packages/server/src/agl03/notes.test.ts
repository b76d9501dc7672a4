import { expect, it } from 'vitest';
import { Notes, type AttemptNote } from './notes.ts';

it('keeps what was noted, together with what was noted before, until there is too much', () => {
  const notes = new Notes<AttemptNote>({ mostCharacters: 100 });
  notes.add('a', { worker_id: 'w', status: 'unresponsive' });
  notes.add('a', { metadata: { a: 1 } });
  notes.remove('a', 'status');
  expect(notes.get('a')).toEqual({ worker_id: 'w', metadata: { a: 1 } });
  notes.add('b', { metadata: { text: 'x'.repeat(60) } });
  expect([notes.get('a'), Object.keys(notes.get('b'))]).toEqual([{}, ['metadata']]);
  for (let again = 0; again < 5; again++) notes.add('b', { worker_id: 'w' });
  expect(notes.get('b')).toMatchObject({ worker_id: 'w' });
});
