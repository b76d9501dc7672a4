import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Every process and thread that a test starts from TypeScript sources strips their types first: half of the suite's time.
// With this cache each file is stripped once.
process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, 'node_modules/.cache/node-compile-cache');

/** One configuration for every package: workspace imports resolve to TypeScript sources, and a test that prints fails. */
export default defineConfig({
  // Vitest hands these to Node too, for `require` as well: 'import' must not be among them.
  ssr: { resolve: { conditions: ['@agent-lightning/source', 'node', 'module', 'default'] } },
  resolve: { conditions: ['@agent-lightning/source', 'node', 'import', 'module', 'default'] },
  test: {
    globalSetup: [join(import.meta.dirname, 'tools/build-app.setup.ts')],
    include: ['**/*.test.ts'],
    // What is too heavy for every change; vitest.full.config.ts runs it.
    exclude: ['**/node_modules/**', '**/dist/**', '**/*.full.test.ts'],
    // The file is what tools/test.ts counts.
    reporters: ['default', ['json', { outputFile: '.vitest/results.json' }]],
    // A guard against hanging, never a measure of speed: on a busy machine everything takes ten times as long.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    // Node strips types by WebAssembly, in threads too, and V8 13.6 can crash when two of them replace the same wrapper of
    // it at once (Runtime_TierUpWasmToJSWrapper). With a budget of calls that is never used up, none is replaced.
    execArgv: ['--wasm-wrapper-tiering-budget=2147483647'],
    maxWorkers: 2,
  },
});
