import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { checkSpan } from '@agent-lightning/store';
import { expect, it } from 'vitest';
import { decodeProtobuf } from './decode-protobuf.ts';
import { draftSpan } from './to-span.ts';

/** Encodes an export of one span with text attributes. */
function encodeSpan(attributes: readonly (readonly [string, string])[]): Uint8Array {
  const writer = new BinaryWriter();
  const open = (field: number): BinaryWriter => writer.tag(field, WireType.LengthDelimited).fork();
  open(1);
  open(2);
  open(2);
  writer.tag(1, WireType.LengthDelimited).bytes(new Uint8Array(16).fill(1));
  writer.tag(2, WireType.LengthDelimited).bytes(new Uint8Array(8).fill(2));
  for (const [key, value] of attributes) {
    open(9);
    writer.tag(1, WireType.LengthDelimited).string(key);
    open(2);
    writer.tag(1, WireType.LengthDelimited).string(value);
    writer.join().join();
  }
  return writer.join().join().join().finish();
}

it('keeps attributes of any name as they came, and the last of those that come twice', () => {
  const given = [
    ['__proto__', 'polluted'],
    ['constructor', 'text'],
    ['gen_ai.prompt.0.role', 'user'],
    ['gen_ai.prompt.0.__proto__', 'role'],
    ['7', 'first'],
    ['7', 'second'],
  ] as const;
  const [span] = decodeProtobuf(encodeSpan(given)).flatMap(({ spans }) => spans);
  const kept = checkSpan('span', draftSpan(span!, { nowMs: 0 }).finish(undefined));
  for (const { attributes } of [span!, kept]) {
    expect(Object.getPrototypeOf(attributes)).toBe(Object.prototype);
    expect(Object.entries(attributes)).toEqual(expect.arrayContaining([...new Map(given)]));
  }
});
