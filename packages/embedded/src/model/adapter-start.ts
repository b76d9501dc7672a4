/** Draws the adapters that a policy starts with. */
import { RandomStream } from '../random/random-stream.ts';
import type { Shapes } from './parameter-shapes.ts';

/** Returns adapters that change nothing yet: A uniform in ±1 / √inputs by the seed, B zero, as PEFT starts them. Shapes as given. */
export function startAdapters(shapes: Shapes, seed: number): Map<string, Float32Array> {
  const random = new RandomStream(seed);
  return new Map(
    [...shapes].map(([name, shape]) => {
      const length = shape.reduce((product: number, size) => product * size, 1);
      if (name.endsWith('.lora_B.weight')) return [name, new Float32Array(length)];
      const bound = 1 / Math.sqrt(shape[1]!);
      return [name, Float32Array.from({ length }, () => (2 * random.nextUniform() - 1) * bound)];
    }),
  );
}
