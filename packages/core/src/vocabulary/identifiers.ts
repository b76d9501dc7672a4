import { createHash, randomFillSync } from 'node:crypto';

const traceIdPattern = /^[0-9a-f]{32}$/;
const spanIdPattern = /^[0-9a-f]{16}$/;
const noTrace = '0'.repeat(32);
const noSpan = '0'.repeat(16);
const spanIdBytes = 8;

/** The attempt's trace id, 32 hex digits of its SHA-256: gateway and adapters agree on it without talking. */
export function deriveTraceId(attemptId: string): string {
  return createHash('sha256').update(attemptId).digest('hex').slice(0, 32);
}

export function isTraceId(value: unknown): value is string {
  return typeof value === 'string' && traceIdPattern.test(value) && value !== noTrace;
}

export function isSpanId(value: unknown): value is string {
  return typeof value === 'string' && spanIdPattern.test(value) && value !== noSpan;
}

// Random bytes are drawn for many ids at once: one system call per id would cost more than the span.
const pool: Buffer = Buffer.allocUnsafe(spanIdBytes * 512);
let used = pool.length;

/** 16 random hex digits. */
export function randomSpanId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const id = pool.toString('hex', used, used + spanIdBytes);
  used += spanIdBytes;
  return id === noSpan ? randomSpanId() : id;
}

/** The W3C `traceparent` header that makes a remote span a child of `spanId`. */
export function formatTraceParent(traceId: string, spanId: string): string {
  return `00-${traceId}-${spanId}-01`;
}

/** The ids of a W3C `traceparent` header; undefined when it is malformed. */
export function parseTraceParent(header: string): { readonly traceId: string; readonly spanId: string } | undefined {
  const [version, traceId, spanId] = header.trim().split('-');
  return version !== undefined && /^(?!ff)[0-9a-f]{2}$/.test(version) && isTraceId(traceId) && isSpanId(spanId)
    ? { traceId, spanId }
    : undefined;
}
