import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventStreamParser } from './event-stream.ts';

describe('EventStreamParser', () => {
  it('reads data, whatever ends the lines, and ignores the rest', () => {
    const parser = new EventStreamParser();
    const text =
      ': hello\r\nevent: x\r\ndata: one\r\ndata:two\r\n\r\nid: 4\n\ndata: three\n\ndata: four\r\rdata: five\n';
    expect(parser.push(Buffer.from(text))).toEqual(['one\ntwo', 'three', 'four']);
    expect(parser.push(Buffer.from('\n'))).toEqual(['five']);
  });

  it('reads the same however the bytes are cut', () => {
    const data = fc.string({ unit: 'binary' }).map((text) => text.replaceAll(/[\r\n\ud800-\udfff]/gu, '') || 'é🙂');
    const end = fc.constantFrom('\n', '\r\n', '\r');
    const events = fc.array(fc.tuple(data, end), { maxLength: 8 });
    fc.assert(
      fc.property(events, fc.array(fc.nat(9), { maxLength: 60 }), (pairs, sizes) => {
        const bytes = Buffer.from(pairs.map(([text, line]) => `data: ${text}${line}${line}`).join('') + ': end\n');
        const parser = new EventStreamParser();
        const read: string[] = [];
        let at = 0;
        for (const size of sizes) read.push(...parser.push(bytes.subarray(at, (at += size))));
        read.push(...parser.push(bytes.subarray(at)));
        expect(read).toEqual(pairs.map(([text]) => text));
      }),
    );
  });
});
