/**
 * Returns how long a `Retry-After` header asks to wait, in milliseconds; undefined where there is none that can be read. It is in seconds
 * or a date (RFC 9110 §10.2.3). A date that is past, as a wrong clock may give it, asks for 0: the caller's own waits go on to hold.
 *
 * @param now the time of day, for a date
 */
export function retryAfterMs(header: string | null | undefined, now: number = Date.now()): number | undefined {
  const value = header?.trim() ?? '';
  if (value === '') return undefined;
  const seconds = Number(value);
  const ms = Number.isNaN(seconds) ? Math.max(0, Date.parse(value) - now) : seconds * 1_000;
  return Number.isFinite(ms) && ms >= 0 ? ms : undefined;
}
