/** The encodings of a fake training server: what it makes of a body, how it refuses one, and how it sends a result. */
import type { IncomingMessage } from 'node:http';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { JsonValue } from '@agent-lightning/core';
import {
  DType,
  ForwardBackwardOutputSchema,
  ForwardBackwardRequestSchema,
  SampleResponseSchema,
  StopReason,
} from '../../src/generated/tinker_pb.ts';
import type { PassEncoding } from '../../src/pass-encoding.ts';
import type { ServerKind } from '../../src/server-kinds.ts';
import type { Body } from './fake-requests.ts';
import { fakeShapes, FakeFault, type FakeAnswer } from './fake-shapes.ts';

/** A request as it was read. */
export interface ReadRequest {
  /** The operation: `forward` also where it was sent as a `forward_backward` that is forward only. */
  readonly route: string;
  readonly encoding: PassEncoding;
  readonly body: Body;
}

/** Reads a request's body; a protobuf message becomes the JSON that means the same. */
export async function readRequest(request: IncomingMessage): Promise<ReadRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  const route = (request.url ?? '/').split('?')[0]!.replace('/api/v1/', '');
  if (request.headers['content-type'] !== 'application/x-protobuf') {
    const body = bytes.length === 0 ? {} : (JSON.parse(bytes.toString('utf8')) as Body);
    return { route, encoding: 'json', body };
  }
  const message = fromBinary(ForwardBackwardRequestSchema, bytes);
  const input = {
    loss_fn: message.lossFn,
    ...(Object.keys(message.lossFnConfig).length === 0 ? {} : { loss_fn_config: message.lossFnConfig }),
    data: message.data.map(({ modelInput, lossFnInputs }) => ({
      model_input: {
        chunks: modelInput.map(({ chunk }) => ({
          type: 'encoded_text',
          tokens: chunk.case === 'encodedText' ? [...new Int32Array(aligned(chunk.value.tokens))] : [],
        })),
      },
      loss_fn_inputs: Object.fromEntries(
        Object.entries(lossFnInputs).map(([name, { encoding, dtype, shape }]) => {
          const dense = aligned(encoding.case === 'dense' ? encoding.value : new Uint8Array());
          const isFloat = dtype === DType.DTYPE_FLOAT32;
          const data = isFloat ? [...new Float32Array(dense)] : [...new BigInt64Array(dense)].map(Number);
          // With the digits that the JSON of this client has, so that both encodings can be compared.
          const shown = data.map((value) => (isFloat ? Number(value.toPrecision(9)) : value));
          return [name, { data: shown, dtype: isFloat ? 'float32' : 'int64', shape: shape.map(Number) }];
        }),
      ),
    })),
  };
  const operation = message.forwardOnly ? 'forward' : route;
  const ids = { model_id: message.modelId, seq_id: message.seqId };
  return { route: operation, encoding: 'protobuf', body: { ...ids, [`${operation}_input`]: input } };
}

/** Returns how a server that takes passes only as `encodings` refuses another one; undefined where it takes it. */
export function refuseEncoding(
  serverKind: ServerKind,
  encodings: readonly PassEncoding[],
  { route, encoding }: ReadRequest,
): FakeAnswer | undefined {
  if ((route !== 'forward' && route !== 'forward_backward') || encodings.includes(encoding)) return undefined;
  if (encoding === 'json' && route === 'forward') return { status: 404, body: { detail: 'Not Found' } };
  if (encoding === 'json')
    return { status: 415, body: { detail: 'forward_backward requires a application/x-protobuf body' } };
  const words = "body: not valid JSON: 'utf-8' codec can't decode byte 0xd4 in position 3";
  if (serverKind === 'worker') return fakeShapes.worker.refused(new FakeFault(400, words, 'body'));
  // FastAPI, on which many servers stand, breaks when it tells what is wrong with a body that is no UTF-8.
  return { status: 500, body: 'Internal Server Error' };
}

/** Returns a result as a protobuf message; undefined for a result that always comes as JSON. */
export function toMessage(result: JsonValue): Buffer | undefined {
  if (typeof result !== 'object' || result === null || Array.isArray(result)) return undefined;
  const { loss_fn_outputs: outputs, sequences } = result as unknown as Results;
  if (outputs !== undefined) return Buffer.from(passMessage(result as unknown as Results, outputs));
  return sequences === undefined ? undefined : Buffer.from(sampleMessage(result as unknown as Results, sequences));
}

interface Results {
  readonly loss_fn_output_type?: string;
  readonly loss_fn_outputs?: readonly { readonly logprobs: { readonly data: readonly (number | null)[] } }[];
  readonly metrics?: Readonly<Record<string, number>>;
  readonly sequences?: readonly {
    readonly tokens: number[];
    readonly logprobs: number[];
    readonly stop_reason: string;
  }[];
  readonly prompt_logprobs?: readonly (number | null)[];
}

/** Writes one record for every two datums: a server may cut them as it likes. */
function passMessage(
  { loss_fn_output_type: lossFnOutputType = '', metrics = {} }: Results,
  outputs: NonNullable<Results['loss_fn_outputs']>,
): Uint8Array {
  const groups = outputs.map((_, index) => outputs.slice(index, index + 2)).filter((__, index) => index % 2 === 0);
  const lossFnOutputs = groups.map((group) => {
    const arrays = group.map(({ logprobs }) => floats(logprobs.data));
    const offsets = [0];
    for (const array of arrays) offsets.push(offsets.at(-1)! + array.length);
    const data = new Uint8Array(Buffer.concat(arrays));
    const ends = new Uint8Array(BigInt64Array.from(offsets, BigInt).buffer);
    const logprobs = { data, offsets: ends, dtype: DType.DTYPE_FLOAT32 };
    return { fields: { logprobs }, numDatums: BigInt(group.length) };
  });
  const message = create(ForwardBackwardOutputSchema, { lossFnOutputType, lossFnOutputs, metrics: { ...metrics } });
  return toBinary(ForwardBackwardOutputSchema, message);
}

function sampleMessage({ prompt_logprobs: prompt }: Results, sequences: NonNullable<Results['sequences']>): Uint8Array {
  const message = create(SampleResponseSchema, {
    sequences: sequences.map((sequence) => ({
      tokens: new Uint8Array(Int32Array.from(sequence.tokens).buffer),
      logprobs: floats(sequence.logprobs),
      stopReason: sequence.stop_reason === 'length' ? StopReason.LENGTH : StopReason.STOP,
    })),
    ...(prompt === undefined ? {} : { promptLogprobs: floats(prompt) }),
  });
  return toBinary(SampleResponseSchema, message);
}

function floats(values: readonly (number | null)[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Float32Array.from(values, (value) => value ?? Number.NaN).buffer);
}

/** Copies bytes to where an array of larger numbers may begin. */
function aligned(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
