import { describe, expect, it } from 'vitest';

import { loadKernels } from './kernel-binary.ts';
import { mayBeWide } from './wide-kernels.ts';

describe('loadKernels', () => {
  it('never gives wide kernels to a process that did not ask for them', async () => {
    expect((await loadKernels({})).kind).not.toBe('wide');
    expect((await loadKernels({ simd: 'plain' })).kind).toBe('plain');
  });

  it('refuses wide kernels beside a level of SIMD', async () => {
    await expect(loadKernels({ simd: 'plain', wideKernels: true })).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringContaining("simd is 'plain'"),
    });
  });
});

describe('mayBeWide', () => {
  const tested = {
    arch: 'x64',
    versions: { ...process.versions, v8: '13.6.233.10-node.28' },
    execArgv: [],
    env: {},
  } as const;

  it('is true on x64 with the V8 that the tests ran on, and on nothing else', () => {
    expect(mayBeWide({ ...tested, execArgv: [], env: { NODE_OPTIONS: '--enable-source-maps' } })).toBe(true);
    expect(mayBeWide({ ...tested, execArgv: [], arch: 'arm64' })).toBe(false);
    expect(mayBeWide({ ...tested, execArgv: [], versions: { ...tested.versions, v8: '13.7.1' } })).toBe(false);
  });

  it.each([['--no-liftoff'], ['--liftoff'], ['--nowasm-lazy-compilation'], ['--experimental_wasm_revectorize']])(
    'is false in a process that was started with %s, which could not be put back',
    (flag) => {
      expect(mayBeWide({ ...tested, execArgv: [flag] })).toBe(false);
      expect(mayBeWide({ ...tested, execArgv: [], env: { NODE_OPTIONS: `--enable-source-maps ${flag}` } })).toBe(false);
    },
  );
});
