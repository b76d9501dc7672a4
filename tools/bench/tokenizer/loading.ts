import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';

/** Measures how long `load` takes, and the longest time in which nothing else could run, in milliseconds. */
export async function measureLoading(
  load: () => Promise<void>,
): Promise<{ readonly loadMs: number; readonly longestBlockMs: number }> {
  globalThis.gc?.();
  const delays = monitorEventLoopDelay({ resolution: 1 });
  await setTimeout(50);
  delays.enable();
  await setTimeout(50); // what was going on before ends
  delays.reset();
  const start = performance.now();
  await load();
  const loadMs = performance.now() - start;
  await setTimeout(20); // lets the monitor see a block at the very end
  delays.disable();
  return { loadMs: Math.round(loadMs), longestBlockMs: Math.round(delays.max / 1e6) };
}

/** Measures how long the library's own constructor holds the event loop, from the file's text on, in milliseconds. */
export function measureReference(directory: string): number {
  const require = createRequire(join(import.meta.dirname, '../../../packages/text/package.json'));
  const { Tokenizer } = require('@huggingface/tokenizers') as {
    Tokenizer: new (json: object, config: object) => object;
  };
  const [text, config] = ['tokenizer.json', 'tokenizer_config.json'].map((name) =>
    readFileSync(join(directory, name), 'utf8'),
  );
  const start = performance.now();
  new Tokenizer(JSON.parse(text ?? '') as object, JSON.parse(config ?? '') as object);
  return Math.round(performance.now() - start);
}
