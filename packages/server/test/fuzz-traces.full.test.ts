import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { fuzzReading, fuzzServer } from './fuzz-traces.ts';

// The runner of the tests starts its processes without the flag.
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

it('reads or rejects 100,000 mutated exports, and holds no memory of them', { timeout: 600_000 }, () => {
  let heapBytes = 0;
  for (let seed = 100; seed < 110; seed++) {
    expect(fuzzReading(10_000, seed).crashes).toEqual([]);
    collectGarbage();
    const used = process.memoryUsage().heapUsed;
    if (seed === 101) heapBytes = used;
    if (seed > 101) expect(used - heapBytes).toBeLessThan(64 * 1_048_576);
  }
});

it('answers 5,000 mutated exports over HTTP with 200 or an error of the client', { timeout: 600_000 }, async () => {
  const statuses = [...(await fuzzServer(5_000, 200)).keys()];
  expect(statuses.every((status) => status === 200 || (status >= 400 && status < 500))).toBe(true);
});
