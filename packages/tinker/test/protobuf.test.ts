import { readFile } from 'node:fs/promises';
import { fromBinary, toJson } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { decodePass, decodeSamples } from '../src/decode-result.ts';
import { encodePass, type PassRequest } from '../src/encode-pass.ts';
import { file_tinker, ForwardBackwardRequestSchema } from '../src/generated/tinker_pb.ts';
import type { JsonObject } from '../src/protocol.ts';

interface Result {
  readonly message: string;
  readonly body: JsonObject;
}

/** Messages that the official SDK wrote, with what it makes of them. */
const sdk = JSON.parse(await readFile(new URL('__fixtures__/tinker-sdk-messages.json', import.meta.url), 'utf8')) as {
  readonly requests: readonly { readonly request: PassRequest; readonly message: string }[];
  readonly passes: readonly Result[];
  readonly samples: readonly Result[];
};

const bytesOf = (message: string): Uint8Array => new Uint8Array(Buffer.from(message, 'base64'));
/** A message's content: entries of a map may come in any order. */
const contentOf = (bytes: Uint8Array): unknown =>
  toJson(ForwardBackwardRequestSchema, fromBinary(ForwardBackwardRequestSchema, bytes));

describe('a pass as protobuf', () => {
  it.each(sdk.requests)('is what the official SDK sends: $request.input.loss_fn', ({ request, message }) => {
    const encoded = encodePass(request);
    expect(contentOf(encoded)).toEqual(contentOf(bytesOf(message)));
    expect(encoded).toHaveLength(bytesOf(message).length);
  });
});

describe('a result as protobuf', () => {
  it.each(sdk.passes)('of a pass is read as the official SDK reads it', ({ message, body }) => {
    expect(decodePass(bytesOf(message), 'forward')).toEqual(body);
  });

  it.each(sdk.samples)('of samples is read as the official SDK reads it', ({ message, body }) => {
    expect(decodeSamples(bytesOf(message), 'asample')).toEqual(body);
  });

  it('whose bytes are cut off is named, wherever that is, or is no longer than what was left', () => {
    const whole = bytesOf(sdk.passes[0]!.message);
    for (let length = 1; length < whole.length; length += 1) {
      let body: JsonObject;
      try {
        body = decodePass(whole.subarray(0, length), 'forward of policy x');
      } catch (error) {
        expect(error).toMatchObject({
          code: 'backend-failed',
          message: expect.stringMatching(/answer to forward of policy x is a protobuf message .*cannot read/),
        });
        continue;
      }
      expect((body['loss_fn_outputs'] as readonly unknown[]).length).toBeLessThanOrEqual(4);
    }
  });

  it.each([
    ['offsets that go back', { dtype: 1, offsets: [0, 8, 4], bytes: 8 }, 'offsets of logprobs are 0, 2, 1'],
    ['offsets beyond the data', { dtype: 1, offsets: [0, 12], bytes: 8 }, 'offsets of logprobs are 0, 3 for 2 values'],
    ['offsets inside a number', { dtype: 1, offsets: [0, 6], bytes: 8 }, 'offsets of logprobs are 0, 1.5'],
    ['no offsets', { dtype: 1, offsets: [], bytes: 8 }, 'offsets of logprobs are  for 2 values'],
    ['a number that is cut off', { dtype: 1, offsets: [0, 4], bytes: 7 }, 'end inside a float32'],
    ['numbers of a new type', { dtype: 9, offsets: [0, 4], bytes: 4 }, 'the unknown type 9'],
  ])('with %s is named', (_, { dtype, offsets, bytes }, words) => {
    const ends = new Uint8Array(BigInt64Array.from(offsets, BigInt).buffer);
    const tensor = [...field(1, new Uint8Array(bytes)), ...field(2, ends), 0x18, dtype];
    const entry = [...field(1, Buffer.from('logprobs')), ...field(2, Uint8Array.from(tensor))];
    const record = field(2, Uint8Array.from(field(2, Uint8Array.from(entry))));
    expect(() => decodePass(Uint8Array.from(record), 'forward')).toThrow(words);
  });

  it('reads bfloat16 and int64 log-probabilities by their declared type', () => {
    const half = [
      ...field(1, Uint8Array.of(0x80, 0xbf)),
      ...field(2, new Uint8Array(BigInt64Array.of(0n, 2n).buffer)),
      0x18,
      4,
    ];
    const entry = [...field(1, Buffer.from('logprobs')), ...field(2, Uint8Array.from(half))];
    const record = field(2, Uint8Array.from(field(2, Uint8Array.from(entry))));
    expect(decodePass(Uint8Array.from(record), 'forward')['loss_fn_outputs']).toEqual([{ logprobs: { data: [-1] } }]);
  });
});

/** Writes a field of bytes by hand; number and length must be below 16 and 128. */
function field(number: number, bytes: Uint8Array): readonly number[] {
  expect(bytes.length).toBeLessThan(128);
  return [number * 8 + 2, bytes.length, ...bytes];
}

describe('the generated descriptors', () => {
  it('are the same for this client and for the worker', async () => {
    const path = new URL('../../gpu/python/agent_lightning_worker/tinker_messages.json', import.meta.url);
    const worker = JSON.parse(await readFile(path, 'utf8')) as unknown;
    expect(withoutJsonNames(toJson(FileDescriptorProtoSchema, file_tinker.proto))).toEqual(worker);
  });
});

function withoutJsonNames(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (name, inner: unknown) => (name === 'jsonName' ? undefined : inner)));
}
