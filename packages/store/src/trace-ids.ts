const traceIdPattern = /^[0-9a-f]{32}$/;
const spanIdPattern = /^[0-9a-f]{16}$/;
const noTrace = '0'.repeat(32);
const noSpan = '0'.repeat(16);

/** Tells whether a value is the id of a trace: 32 hex digits that are not all zero. */
export function isTraceId(value: unknown): value is string {
  return typeof value === 'string' && traceIdPattern.test(value) && value !== noTrace;
}

/** Tells whether a value is the id of a span: 16 hex digits that are not all zero. */
export function isSpanId(value: unknown): value is string {
  return typeof value === 'string' && spanIdPattern.test(value) && value !== noSpan;
}
