/** Reads the results that servers send as protobuf messages, into the shapes of the protocol's JSON. */
import { fromBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { BackendError } from '@agent-lightning/core';
import {
  DType,
  ForwardBackwardOutputSchema,
  SampleResponseSchema,
  StopReason,
  type ArrayRecord,
  type SampledSequence,
} from './generated/tinker_pb.ts';
import { fromBytes, numberSizes, type NumberType } from './number-bytes.ts';
import type { JsonObject } from './protocol.ts';

/**
 * Reads the result of an operation from a protobuf message.
 * @param what the operation, for errors
 * @throws {BackendError} `backend-failed` for bytes that are no such message
 */
export type DecodeResult = (bytes: Uint8Array, what: string) => JsonObject;

/** Reads the result of a pass: of each datum its log-probabilities, as float32, and its values where there are any; and the metrics of all. */
export const decodePass: DecodeResult = (bytes, what) => {
  const { lossFnOutputs, metrics } = parse(ForwardBackwardOutputSchema, bytes, what);
  return { loss_fn_outputs: lossFnOutputs.flatMap((record) => readRecord(record, what)), metrics };
};

/** Reads the result of `asample`. */
export const decodeSamples: DecodeResult = (bytes, what) => {
  const { sequences, promptLogprobs } = parse(SampleResponseSchema, bytes, what);
  return {
    sequences: sequences.map((sequence) => readSequence(sequence, what)),
    // In JSON a log-probability that is not there is null.
    ...(promptLogprobs === undefined || promptLogprobs.length === 0
      ? {}
      : { prompt_logprobs: readNumbers('float32', promptLogprobs, 'prompt_logprobs', what).map(nullWhereNaN) }),
  };
};

/** Returns the error of a message that cannot be read: trying again would bring the same one. */
export function unreadable(what: string, problem: string): BackendError {
  return new BackendError(
    `The training server's answer to ${what} is a protobuf message that this client cannot read (${problem}): the server speaks another version of the Tinker protocol. docs/gpu.md lists the versions that work.`,
    { code: 'backend-failed' },
  );
}

const numberTypes: Readonly<Partial<Record<DType, NumberType>>> = {
  [DType.DTYPE_FLOAT32]: 'float32',
  [DType.DTYPE_INT64]: 'int64',
  [DType.DTYPE_INT32]: 'int32',
  [DType.DTYPE_BFLOAT16]: 'bfloat16',
};

const stopReasons: Readonly<Record<number, 'stop' | 'length'>> = {
  [StopReason.STOP]: 'stop',
  [StopReason.LENGTH]: 'length',
};

function parse<Message extends DescMessage>(schema: Message, bytes: Uint8Array, what: string): MessageShape<Message> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw unreadable(what, (error as Error).message);
  }
}

/** Takes a record apart: one object for each of its datums, empty where the server sent no log-probabilities. */
function readRecord({ fields, numDatums }: ArrayRecord, what: string): readonly JsonObject[] {
  const listsOf = (name: string): readonly (readonly number[])[] | undefined =>
    fields[name] && readLists(fields[name], name, what);
  const [logprobs, values] = [listsOf('logprobs'), listsOf('values')];
  if (logprobs === undefined) return Array.from({ length: Number(numDatums) }, () => ({}));
  if (values !== undefined && values.length !== logprobs.length)
    throw unreadable(what, `values of ${values.length} datums and log-probabilities of ${logprobs.length}`);
  return logprobs.map((data, index) => ({ logprobs: { data }, ...(values && { values: { data: values[index] } }) }));
}

/** Takes the array of a record apart: one list for each datum. */
function readLists(field: ArrayRecord['fields'][string], name: string, what: string): readonly (readonly number[])[] {
  const type = numberTypes[field.dtype];
  if (type === undefined) throw unreadable(what, `${name} have the unknown type ${field.dtype}`);
  const values = readNumbers(type, field.data, name, what);
  const starts = readNumbers('int64', field.offsets, 'offsets', what).map((offset) => offset / numberSizes[type]);
  const isOrdered = starts.every((start, index) => Number.isInteger(start) && start >= (starts[index - 1] ?? 0));
  if (!isOrdered || starts.length === 0 || starts.at(-1)! > values.length)
    throw unreadable(what, `offsets of ${name} are ${starts.slice(0, 8).join(', ')} for ${values.length} values`);
  return starts.slice(1).map((end, index) => values.slice(starts[index], end));
}

function readSequence({ stopReason, tokens, logprobs }: SampledSequence, what: string): JsonObject {
  return {
    stop_reason: stopReasons[stopReason],
    tokens: readNumbers('int32', tokens, 'tokens', what),
    ...(logprobs === undefined ? {} : { logprobs: readNumbers('float32', logprobs, 'logprobs', what) }),
  };
}

function readNumbers(type: NumberType, bytes: Uint8Array, name: string, what: string): readonly number[] {
  const numbers = fromBytes(type, bytes);
  if (numbers === undefined) throw unreadable(what, `${name} have ${bytes.length} bytes, which end inside a ${type}`);
  return numbers;
}

function nullWhereNaN(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
