/** Batches that are larger than one request may be, and their results put together again. */
import type { Datum, PassOutput } from './wire.ts';

/** What one request may hold; the Tinker API's own limits. */
export interface ChunkLimits {
  readonly maxDatums: number;
  readonly maxBytes: number;
}

export const chunkLimits: ChunkLimits = { maxDatums: 1_024, maxBytes: 5_000_000 };

/** The datums in order, cut where a request would be too large. A datum that is too large by itself goes alone. */
export function chunkDatums(
  datums: readonly Datum[],
  limits: ChunkLimits = chunkLimits,
): readonly (readonly Datum[])[] {
  const chunks: Datum[][] = [];
  let bytes = 0;
  for (const datum of datums) {
    const size = JSON.stringify(datum).length + 1; // ASCII; the comma
    const chunk = chunks.at(-1);
    if (chunk === undefined || chunk.length >= limits.maxDatums || bytes + size > limits.maxBytes) {
      chunks.push([datum]);
      bytes = size;
    } else {
      chunk.push(datum);
      bytes += size;
    }
  }
  return chunks;
}

/** The results of a batch's chunks, in order, as one: log-probabilities joined, metrics merged as their suffixes say. */
export function mergeOutputs(outputs: readonly PassOutput[]): PassOutput {
  if (outputs.length === 1) return outputs[0]!;
  const metrics: Record<string, number> = {};
  const datums = outputs.map((output) => output.logprobs.length);
  for (const name of Object.keys(outputs[0]?.metrics ?? {})) {
    const values = outputs.map((output) => output.metrics[name]);
    if (values.some((value) => value === undefined)) continue; // not known of the whole batch
    const merged = mergeMetric(name, values as number[], datums);
    if (merged !== undefined) metrics[name] = merged;
  }
  return { logprobs: outputs.flatMap((output) => output.logprobs), metrics };
}

/** Undefined for a metric whose suffix does not say how to merge it, and that differs between the chunks. */
function mergeMetric(name: string, values: readonly number[], datums: readonly number[]): number | undefined {
  switch (name.split(':').at(-1)) {
    case 'sum':
      return sum(values);
    case 'mean':
      return mean(values, datums);
    case 'min':
      return Math.min(...values);
    case 'max':
      return Math.max(...values);
    case 'slack':
      return Math.max(...values) - mean(values, datums);
    case 'last':
      return values.at(-1);
    default:
      return values.every((value) => value === values[0]) ? values[0] : undefined;
  }
}

function mean(values: readonly number[], weights: readonly number[]): number {
  return sum(values.map((value, index) => value * weights[index]!)) / sum(weights);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
