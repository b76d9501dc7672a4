/** Writes a pass as the protobuf message that servers take since SDK 0.25. */
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { DType, ForwardBackwardRequestSchema, type TensorSchema } from './generated/tinker_pb.ts';
import { toBytes } from './number-bytes.ts';
import type { PassInput, Tensor } from './protocol.ts';

/** A pass as one request: `forward`, or `forward_backward`. */
export interface PassRequest {
  readonly modelId: string;
  readonly sequence: number;
  /** True for a pass without a gradient. */
  readonly forwardOnly: boolean;
  readonly input: PassInput;
}

/** Returns the body of `forward_backward`, which in protobuf serves `forward` too. */
export function encodePass({ modelId, sequence, forwardOnly, input }: PassRequest): Uint8Array<ArrayBuffer> {
  const config = input.loss_fn_config ?? {};
  const numbers = Object.entries(config).map(([name, value]) => [name, { value: { case: 'number' as const, value } }]);
  const request = create(ForwardBackwardRequestSchema, {
    modelId,
    seqId: sequence,
    forwardOnly,
    lossFn: input.loss_fn,
    // Servers from before SDK 0.38 read the first, newer ones the second: the official client sends both.
    lossFnConfig: { ...config },
    lossFnConfigV2: Object.fromEntries(numbers),
    data: input.data.map(({ model_input: { chunks }, loss_fn_inputs: inputs }) => ({
      modelInput: chunks.map(({ tokens }) => ({
        chunk: { case: 'encodedText' as const, value: { tokens: toBytes('int32', tokens) } },
      })),
      lossFnInputs: Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, toMessage(tensor)])),
    })),
  });
  return toBinary(ForwardBackwardRequestSchema, request);
}

function toMessage({ data, dtype, shape }: Tensor): MessageInitShape<typeof TensorSchema> {
  return {
    encoding: { case: 'dense', value: toBytes(dtype, data) },
    dtype: dtype === 'int64' ? DType.DTYPE_INT64 : DType.DTYPE_FLOAT32,
    shape: shape.map(BigInt),
  };
}
