import { describe, expect, it } from 'vitest';
import { retryAfterMs } from './send-request.ts';
import { parseCheckpointPath } from './server-checkpoints.ts';

describe('retryAfterMs', () => {
  const now = Date.parse('2026-01-31T12:00:00Z');
  it.each<[string | undefined, number | undefined]>([
    [undefined, undefined],
    ['3', 3_000],
    ['0.5', 500],
    ['Sat, 31 Jan 2026 12:00:10 GMT', 10_000],
    ['Sat, 31 Jan 2026 11:00:00 GMT', 0],
    ['86400', 60_000],
    ['soon', undefined],
  ])('reads %s', (value, expected) => {
    const headers = new Headers(value === undefined ? {} : { 'retry-after': value });
    expect(retryAfterMs({ headers }, now)).toBe(expected);
  });
});

describe('parseCheckpointPath', () => {
  it.each([
    ['tinker://m/weights/a', { modelId: 'm', kind: 'weights', name: 'a' }],
    ['tinker://m/sampler_weights/a', { modelId: 'm', kind: 'sampler_weights', name: 'a' }],
    ['tinker://m/a', { modelId: 'm', kind: 'sampler_weights', name: 'a' }], // as SkyRL shortens it
  ])('reads %s', (path, expected) => {
    expect(parseCheckpointPath(path)).toEqual(expected);
  });

  it.each(['tinker://m', 'm/weights/a', 'tinker://m/weights/', 'tinker://m/other/a', 'tinker://m/weights/a/b'])(
    'refuses %s',
    (path) => {
      expect(() => parseCheckpointPath(path)).toThrow(expect.objectContaining({ code: 'checkpoint-corrupt' }));
    },
  );
});
