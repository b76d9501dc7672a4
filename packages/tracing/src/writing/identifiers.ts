import { createHash, randomFillSync } from 'node:crypto';
import { isSpanId, isTraceId } from '@agent-lightning/store';

const spanIdBytes = 8;

/** Returns the attempt's trace id, 32 hex digits of its SHA-256: gateway and adapters agree on it without talking. */
export function deriveTraceId(attemptId: string): string {
  return createHash('sha256').update(attemptId).digest('hex').slice(0, 32);
}

// Random bytes are drawn for many ids at once: one system call per id would cost more than the span.
const pool: Buffer = Buffer.allocUnsafe(spanIdBytes * 512);
let used = pool.length;

/** Returns 16 random hex digits. */
export function randomSpanId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const id = pool.toString('hex', used, used + spanIdBytes);
  used += spanIdBytes;
  return isSpanId(id) ? id : randomSpanId(); // all zero is no id
}

/** Returns the W3C `traceparent` header that makes a remote span a child of `spanId`. */
export function formatTraceParent(traceId: string, spanId: string): string {
  return `00-${traceId}-${spanId}-01`;
}

/** Returns the ids of a W3C `traceparent` header; undefined when it is malformed. */
export function parseTraceParent(header: string): { readonly traceId: string; readonly spanId: string } | undefined {
  const [version, traceId, spanId] = header.trim().split('-');
  return version !== undefined && /^(?!ff)[0-9a-f]{2}$/.test(version) && isTraceId(traceId) && isSpanId(spanId)
    ? { traceId, spanId }
    : undefined;
}
