import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Exchange } from '../http/exchange.ts';
import type { RequestError } from '../http/request-error.ts';

/** The spans that were not taken, and why. */
export interface Rejected {
  readonly count: number;
  readonly reason: string;
}

/** The content types of OTLP over HTTP. */
export type OtlpType = 'application/x-protobuf' | 'application/json';

/** Answers a request whose spans were taken, but for those that it names. */
export function replyAccepted(exchange: Exchange, type: OtlpType, rejected: Rejected): void {
  const { count, reason } = rejected;
  if (type === 'application/json')
    return exchange.json(count === 0 ? {} : { partialSuccess: { rejectedSpans: String(count), errorMessage: reason } });
  const writer = new BinaryWriter();
  if (count > 0)
    writer
      .tag(1, WireType.LengthDelimited)
      .fork()
      .tag(1, WireType.Varint)
      .int64(count)
      .tag(2, WireType.LengthDelimited)
      .string(reason)
      .join();
  return exchange.bytes(Buffer.from(writer.finish()), type);
}

/** Answers with an error as OTLP has it: a `google.rpc.Status` in the encoding of the request. */
export function replyStatus(exchange: Exchange, type: OtlpType, error: RequestError): void {
  const code = grpcCodes[error.status] ?? (error.status < 500 ? 3 : 13);
  if (type === 'application/json') return exchange.json({ code, message: error.message }, error.status, error.headers);
  const writer = new BinaryWriter()
    .tag(1, WireType.Varint)
    .int32(code)
    .tag(2, WireType.LengthDelimited)
    .string(error.message);
  return exchange.bytes(Buffer.from(writer.finish()), type, error.status, error.headers);
}

/** The codes of gRPC by status of HTTP. */
const grpcCodes: Readonly<Record<number, number>> = {
  401: 16,
  403: 7,
  404: 5,
  409: 9,
  413: 8,
  429: 8,
  503: 14,
  507: 8,
};
