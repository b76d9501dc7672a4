import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventStreamParser } from './event-stream.ts';

/** Returns the events that a parser reports of these pieces. */
function read(pieces: readonly Buffer[]): string[] {
  const events: string[] = [];
  const parser = new EventStreamParser((data) => events.push(data.toString()));
  for (const piece of pieces) parser.push([piece]);
  return events;
}

describe('EventStreamParser', () => {
  it('reads data, whatever ends the lines, and ignores the rest', () => {
    const text =
      ': hello\r\nevent: x\r\ndata: one\r\ndata:two\r\n\r\nid: 4\n\ndata: three\n\ndata: four\r\rdata: five\n';
    expect(read([Buffer.from(text)])).toEqual(['one\ntwo', 'three', 'four']);
    expect(read([Buffer.from(text), Buffer.from('\n')])).toEqual(['one\ntwo', 'three', 'four', 'five']);
  });

  it('reads the same however the bytes are cut', () => {
    const data = fc.string({ unit: 'binary' }).map((text) => text.replaceAll(/[\r\n\ud800-\udfff]/gu, '') || 'é🙂');
    const end = fc.constantFrom('\n', '\r\n', '\r');
    const events = fc.array(fc.tuple(data, end), { maxLength: 8 });
    fc.assert(
      fc.property(events, fc.array(fc.nat(9), { maxLength: 60 }), (pairs, sizes) => {
        const bytes = Buffer.from(pairs.map(([text, line]) => `data: ${text}${line}${line}`).join('') + ': end\n');
        const pieces: Buffer[] = [];
        let at = 0;
        for (const size of sizes) pieces.push(bytes.subarray(at, (at += size)));
        expect(read([...pieces, bytes.subarray(at)])).toEqual(pairs.map(([text]) => text));
      }),
    );
  });
});
