import config from './vitest.config.ts';

/** The tests that are too heavy for `npm test`: `npm run test:full` runs them. */
export default {
  ...config,
  test: {
    ...config.test,
    include: ['**/*.full.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    reporters: ['default', ['json', { outputFile: '.vitest/full-results.json' }]],
  },
};
