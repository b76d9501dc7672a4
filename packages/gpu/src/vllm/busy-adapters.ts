/** Reads from a vLLM server's `/metrics` which adapters calls run on. */

/**
 * Returns the adapters that calls run on or wait for; 'unknown' when calls run and nothing says on which.
 *
 * @returns undefined for a text without the counts of calls
 */
export function readBusyAdapters(metrics: string): ReadonlySet<string> | 'unknown' | undefined {
  const calls = sumOf(metrics, 'vllm:num_requests_running') + sumOf(metrics, 'vllm:num_requests_waiting');
  if (Number.isNaN(calls)) return undefined;
  return calls === 0 ? new Set() : listedAdapters(metrics); // an idle server leaves its last list standing
}

/** Sums a metric over all engines; returns NaN where it is not there. */
function sumOf(metrics: string, name: string): number {
  const values = seriesOf(metrics, name).map(({ value }) => value);
  return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0);
}

/** Reads the adapters from the newest series of each engine: the value of a series is the time at which it was written. */
function listedAdapters(metrics: string): ReadonlySet<string> | 'unknown' {
  const newest = new Map<string, { readonly labels: string; readonly value: number }>();
  for (const series of seriesOf(metrics, 'vllm:lora_requests_info')) {
    const engine = labelOf(series.labels, 'engine');
    if (series.value > (newest.get(engine)?.value ?? Number.NEGATIVE_INFINITY)) newest.set(engine, series);
  }
  if (newest.size === 0) return 'unknown';
  const listed = [...newest.values()].flatMap(({ labels }) =>
    ['running_lora_adapters', 'waiting_lora_adapters'].flatMap((label) => labelOf(labels, label).split(',')),
  );
  return new Set(listed.map((name) => name.trim()).filter((name) => name !== ''));
}

function labelOf(labels: string, name: string): string {
  return new RegExp(`\\b${name}="([^"]*)"`).exec(labels)?.[1] ?? '';
}

function seriesOf(metrics: string, name: string): readonly { readonly labels: string; readonly value: number }[] {
  return metrics
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .map((line) => ({
      labels: line.slice(0, line.lastIndexOf(' ')),
      value: Number(line.slice(line.lastIndexOf(' '))),
    }));
}
