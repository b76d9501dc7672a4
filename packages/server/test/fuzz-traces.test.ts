import { expect, it } from 'vitest';
import { fuzzReading, fuzzServer } from './fuzz-traces.ts';

it('reads or rejects whatever it is sent', () => {
  const { read, rejected, crashes } = fuzzReading(3_000, 1);
  expect(crashes).toEqual([]);
  expect(read).toBeGreaterThan(100);
  expect(rejected).toBeGreaterThan(100);
});

it('answers with 200 or an error of the client, whatever comes in whichever encoding', async () => {
  const statuses = [...(await fuzzServer(60, 2)).keys()];
  expect(statuses.every((status) => status === 200 || (status >= 400 && status < 500))).toBe(true);
  expect(statuses).toContain(400);
});
