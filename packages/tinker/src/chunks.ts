/** Splits batches that are larger than one request may be, and puts their results together again. */
import type { Datum, PassOutput } from './protocol.ts';

/** The limits of one request. */
export interface ChunkLimits {
  readonly maxDatums: number;
  readonly maxBytes: number;
}

/** The Tinker API's own limits. */
export const chunkLimits: ChunkLimits = { maxDatums: 1_024, maxBytes: 5_000_000 };

/** Cuts the datums, in order, where a request would be too large. A datum that is too large by itself goes alone. */
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

/** Joins the results of a batch's chunks, in order: log-probabilities one after another, metrics merged as their suffixes say. */
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
  const values = outputs.flatMap((output) => output.values ?? []);
  return {
    logprobs: outputs.flatMap((output) => output.logprobs),
    ...(values.length === 0 ? {} : { values }),
    metrics,
  };
}

/** Merges one metric; returns undefined where its suffix does not say how and it differs between the chunks. */
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
