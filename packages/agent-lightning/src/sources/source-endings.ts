/** The endings of the files that an import without one may name, in the order in which they are tried; the first is that of a name that is whole. */
export const sourceEndings: readonly string[] = [
  '',
  '.ts',
  '.mts',
  '.cts',
  '.js',
  '.mjs',
  '.cjs',
  '/index.ts',
  '/index.js',
  '/index.mjs',
  '/index.cjs',
];
