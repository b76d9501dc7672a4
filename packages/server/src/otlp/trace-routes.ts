import { isId, isSpanId, isTraceId } from '@agent-lightning/store';
import type { Exchange } from '../http/exchange.ts';
import { RequestError } from '../http/request-error.ts';
import type { Route, RouteSet } from '../http/route.ts';
import { decodeJson } from './decode-json.ts';
import { decodeProtobuf } from './decode-protobuf.ts';
import { replyAccepted, replyStatus, type OtlpType, type Rejected } from './otlp-reply.ts';
import type { SequenceNumbers } from './sequence-numbers.ts';
import { attemptAttributes, whyNotAllowed, type AttemptIds, type SpanIntake } from './span-intake.ts';
import { draftSpan, type SpanDraft } from './to-span.ts';
import type { AnyAttributes, ExportedGroup, ExportedResource, ExportedSpan } from './trace-export.ts';

export interface TraceRoutesOptions {
  readonly intake: SpanIntake;
  readonly numbers: SequenceNumbers;
  /** Called for each export some of whose spans were not taken: exporters keep to themselves what they are told. */
  readonly onRejected: (rejected: Rejected) => void;
  /** @default Date.now */
  readonly now?: () => number;
}

/** The most bytes of one export, after decompression: an exporter sends 512 spans at once unless it is told otherwise. */
const mostBytes = 16 * 1_048_576;

/** Takes traces of OpenTelemetry over HTTP: `POST /v1/traces`, as protobuf or JSON. Metrics and logs are answered with 501. */
export function traceRoutes(options: TraceRoutesOptions): RouteSet {
  const traces: Route = {
    roles: ['runner', 'agent', 'trainer'],
    answer: (exchange) => takeTraces(exchange, options),
    replyError: (exchange, error) => replyStatus(exchange, typeOf(exchange) ?? 'application/x-protobuf', error),
  };
  const others: Route = {
    roles: 'everyone',
    answer: (exchange) => exchange.bytes(Buffer.alloc(0), 'application/x-protobuf', 501),
  };
  return ({ method, path }) => {
    if (path === '/v1/traces' && method === 'POST') return traces;
    return method === 'POST' && otherSignals.has(path) ? others : undefined;
  };
}

const otherSignals: ReadonlySet<string> = new Set(['/v1/metrics', '/v1/logs', '/v1/development/profiles']);

function typeOf(exchange: Exchange): OtlpType | undefined {
  const type = (exchange.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  return type === 'application/x-protobuf' || type === 'application/json' ? type : undefined;
}

async function takeTraces(exchange: Exchange, options: TraceRoutesOptions): Promise<void> {
  const type = typeOf(exchange);
  if (type === undefined)
    throw new RequestError(
      `the content type must be application/x-protobuf or application/json, not "${(exchange.headers['content-type'] ?? '').slice(0, 80)}"`,
      { code: 'request-invalid', status: 400 },
    );
  const groups = await readGroups(exchange, type);
  const rejected = await takeGroups(groups, exchange, options);
  if (rejected.count > 0) options.onRejected(rejected);
  replyAccepted(exchange, type, rejected);
}

async function readGroups(exchange: Exchange, type: OtlpType): Promise<readonly ExportedGroup[]> {
  return type === 'application/json'
    ? decodeJson(await exchange.readJson(mostBytes))
    : decodeProtobuf(await exchange.readBytes(mostBytes));
}

/** A span with the attempt that it belongs to. */
interface Placed extends AttemptIds {
  readonly span: ExportedSpan;
  readonly resource: ExportedResource;
}

async function takeGroups(
  groups: readonly ExportedGroup[],
  { caller }: Exchange,
  { intake, numbers, now = Date.now }: TraceRoutesOptions,
): Promise<Rejected> {
  const rejected = new Rejections();
  const placed: Placed[] = [];
  for (const { resource, spans } of groups)
    for (const span of spans) {
      const ids = findIds(span, resource, caller.lease);
      // Before anything of the attempt is read or noted.
      const problem = typeof ids === 'string' ? ids : whyNotAllowed(ids, caller);
      if (typeof ids === 'string' || problem !== undefined) rejected.add(problem ?? '');
      else placed.push({ ...ids, span, resource });
    }
  for (const spans of Map.groupBy(placed, ({ rolloutId, attemptId }) => `${rolloutId} ${attemptId}`).values()) {
    const { rolloutId, attemptId } = spans[0] as Placed;
    const drafts = await draftAll(rolloutId, spans, numbers, now());
    const outcomes = await intake.write({ rolloutId, attemptId }, drafts, caller);
    for (const outcome of outcomes) if ('problem' in outcome) rejected.add(outcome.problem);
  }
  return rejected.result();
}

/** Returns the attempt that a span belongs to, by its own attributes, its resource's, or the key of its agent; or says why it has none. */
function findIds(span: ExportedSpan, resource: ExportedResource, lease: AttemptIds | undefined): AttemptIds | string {
  if (!isTraceId(span.traceId) || !isSpanId(span.spanId))
    return `a span has the trace id "${span.traceId.slice(0, 40)}" and the span id "${span.spanId.slice(0, 40)}"; they must be 16 and 8 bytes, not all 0`;
  const rolloutId = idAt(attemptAttributes.rolloutId, span.attributes, resource.attributes) ?? lease?.rolloutId;
  const attemptId = idAt(attemptAttributes.attemptId, span.attributes, resource.attributes) ?? lease?.attemptId;
  if (rolloutId === undefined || attemptId === undefined)
    return `a span has no ${attemptAttributes.rolloutId} and ${attemptAttributes.attemptId} among its resource's attributes, so no rollout can have it`;
  if (!isId(rolloutId) || !isId(attemptId)) return `a span's rollout or attempt id is none of this store`;
  return { rolloutId, attemptId };
}

function idAt(name: string, ...places: readonly AnyAttributes[]): string | undefined {
  const value = places
    .map((attributes) => attributes[name])
    .find((each) => each !== undefined && each !== null && each !== '');
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

/** Makes spans of ours, in their order; those that come without a number get the next ones. */
async function draftAll(
  rolloutId: string,
  placed: readonly Placed[],
  numbers: SequenceNumbers,
  nowMs: number,
): Promise<readonly SpanDraft[]> {
  const given = placed.map(({ span, resource }) =>
    Number(idAt(attemptAttributes.sequenceId, span.attributes, resource.attributes)),
  );
  const isGiven = (number: number): boolean => Number.isSafeInteger(number) && number >= 0;
  const missing = given.filter((number) => !isGiven(number)).length;
  if (missing < given.length) await numbers.note(rolloutId, Math.max(...given.filter(isGiven)));
  let next = missing === 0 ? 0 : await numbers.take(rolloutId, missing);
  return placed.map(({ span, resource }, index) => {
    const number = given[index] as number;
    const parts = { sequence_id: isGiven(number) ? number : next++, ...partsOf(span, resource) };
    return draftSpan(span, { nowMs, parts });
  });
}

/** Returns what our spans have no place for, in the shapes of Agent Lightning 0.3. */
function partsOf(
  { events, links }: ExportedSpan,
  { attributes, schemaUrl }: ExportedResource,
): Readonly<Record<string, unknown>> {
  return {
    ...(events.length === 0
      ? {}
      : {
          events: events.map(({ name, timeMs, attributes: own }) => ({
            name,
            attributes: own,
            timestamp: timeMs === undefined ? null : timeMs / 1_000,
          })),
        }),
    ...(links.length === 0
      ? {}
      : {
          links: links.map((link) => ({
            context: { trace_id: link.traceId, span_id: link.spanId, is_remote: false, trace_state: {} },
            attributes: link.attributes,
          })),
        }),
    resource: { attributes, schema_url: schemaUrl },
  };
}

/** Counts the spans that were not taken, and keeps the first reasons. */
class Rejections {
  readonly #reasons: Set<string> = new Set();
  #count: number = 0;

  add(reason: string): void {
    this.#count++;
    if (this.#reasons.size < 3) this.#reasons.add(reason);
  }

  result(): Rejected {
    return { count: this.#count, reason: [...this.#reasons].join('; ').slice(0, 2_000) };
  }
}
