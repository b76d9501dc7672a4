import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventBytes } from './event-bytes.ts';

/** Texts and bytes from nothing to more than a buffer holds, also beyond ASCII. */
const size = fc.oneof(fc.nat(50), fc.nat(30_000), fc.nat(200_000));
const part = fc
  .tuple(size, fc.constantFrom('a', 'é', '🙂', '"'), fc.constantFrom('text', 'bytes'))
  .map(([length, letter, kind]) => ({ text: letter.repeat(length), kind }));

describe('EventBytes', () => {
  it('hands out what was added and nothing else, whatever its memory held before', () => {
    fc.assert(
      fc.property(fc.array(fc.array(part, { maxLength: 8 }), { maxLength: 4 }), (takes) => {
        const output = new EventBytes();
        for (const parts of takes) {
          for (const { text, kind } of parts)
            if (kind === 'text') output.addText(text);
            else output.append(Buffer.from(text));
          const taken = output.take();
          const expected = parts.map(({ text }) => text).join('');
          expect(Buffer.concat(taken?.pieces ?? []).equals(Buffer.from(expected))).toBe(true);
          // As if it were sent: the next parts are written over it.
          taken?.release();
        }
      }),
    );
  });

  it('keeps memory that is not sent yet', () => {
    const output = new EventBytes();
    output.addText('first');
    const first = output.take();
    output.addText('second');
    output.take()?.release();
    expect(first?.pieces.map(String)).toEqual(['first']);
  });
});
