/** Writes a number in a few characters: 3 digits that count, thousands as `12.3k`. */
export function formatNumber(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  const size = Math.abs(value);
  const sign = value < 0 ? '−' : '';
  if (size === 0) return '0';
  if (size < 1e-3) return `${sign}${size.toExponential(1).replace('e-', 'e−')}`;
  if (size < 1) return sign + String(Number(size.toFixed(3)));
  if (size < 1_000) return sign + String(Number(size.toPrecision(3)));
  if (size < 10_000 && Number.isInteger(size)) return sign + size.toLocaleString('en');
  if (size < 1e6) return `${sign}${Number((size / 1e3).toPrecision(3))}k`;
  if (size < 1e9) return `${sign}${Number((size / 1e6).toPrecision(3))}M`;
  return `${sign}${size.toPrecision(3)}`;
}

/** Writes a count whole, such as `100,000`. */
export function formatCount(value: number): string {
  return value.toLocaleString('en');
}

/** Writes a time, such as `340 ms`, `12.4 s` or `1 h 05 min`. */
export function formatSeconds(seconds: number | undefined): string {
  if (seconds === undefined) return '–';
  if (seconds < 1) return `${Number((seconds * 1_000).toFixed(seconds < 0.01 ? 1 : 0))} ms`;
  if (seconds < 60) return `${Number(seconds.toFixed(1))} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(Math.floor(seconds % 60)).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** Writes a moment in the reader's own time zone. */
export function formatMoment(moment: string | number | undefined): string {
  if (moment === undefined || moment === '') return '–';
  const date = new Date(moment);
  return Number.isNaN(date.getTime())
    ? String(moment)
    : date.toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
}

/** Writes a share, such as `42 %`. */
export function formatShare(share: number): string {
  return `${Number((share * 100).toFixed(share < 0.1 ? 1 : 0))} %`;
}

/** Counts with a word: `1 rollout`, `2 rollouts`. */
export function countOf(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
