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

  it('reads an event of many lines, and a line of many pieces, in linear time', () => {
    const lines = 100_000;
    // Were earlier lines or pieces copied for each new one, these would be billions of copies.
    const manyLines = Array.from({ length: lines }, () => Buffer.from('data: x\n'));
    expect(read([...manyLines, Buffer.from('\n')])).toEqual([`${'x\n'.repeat(lines - 1)}x`]);
    const manyPieces = Array.from({ length: lines }, () => Buffer.from('y'));
    expect(read([Buffer.from('data: '), ...manyPieces, Buffer.from('\r\n\r\n')])).toEqual(['y'.repeat(lines)]);
  });

  it.each([
    ['a line that does not end', ['data: ', 'x'.repeat(60), 'x'.repeat(60)]],
    ['a comment that does not end', [':', 'x'.repeat(60), 'x'.repeat(60)]],
    ['a rest after a whole line', [`data: a\n\n: ${'x'.repeat(120)}`]],
    ['an event of many lines that does not end', Array.from({ length: 60 }, () => 'data: x\n')],
  ])('refuses %s', (_name, pieces) => {
    const parser = new EventStreamParser(() => undefined, undefined, {
      url: new URL('http://user:secret@upstream.test/v1'),
      longestEventBytes: 100,
    });
    const push = (): void => {
      for (const piece of pieces) parser.push([Buffer.from(piece)]);
    };
    expect(push).toThrow('the upstream http://upstream.test/v1 sent an event or a line of more than 100 bytes');
  });

  it('counts each event by itself', () => {
    const events: string[] = [];
    const parser = new EventStreamParser((data) => events.push(data.toString()), undefined, { longestEventBytes: 20 });
    for (let index = 0; index < 50; index += 1) parser.push([Buffer.from(`data: ${index}\n: hi\ndata: x\n\n`)]);
    expect(events).toEqual(Array.from({ length: 50 }, (_, index) => `${index}\nx`));
  });
});
