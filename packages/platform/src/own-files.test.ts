import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findOwnFile } from './own-files.ts';

describe('findOwnFile', () => {
  it('finds what lies beside the code', () => {
    expect(basename(findOwnFile(import.meta.url, '../package.json', '@agent-lightning/platform'))).toBe('package.json');
  });

  it.each([
    ['a bundle in CommonJS', undefined],
    ['a bundle of modules', 'file:///app/bundle.js'],
  ])('says what to do in %s', (_what, moduleUrl) => {
    expect(() => findOwnFile(moduleUrl, '../../wasm/a.wasm', '@agent-lightning/embedded')).toThrow(
      expect.objectContaining({
        code: 'option-unsupported',
        message: expect.stringMatching(
          /^@agent-lightning\/embedded needs wasm\/a\.wasm beside its code, .*--external:/,
        ) as string,
      }),
    );
  });
});
