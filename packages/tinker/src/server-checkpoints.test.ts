import { describe, expect, it } from 'vitest';
import { parseCheckpointPath } from './server-checkpoints.ts';

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
