import { describe, expect, it } from 'vitest';
import { checkIdiom } from './check-idiom.ts';
import type { Idiom, Wrap } from './idiom.ts';

/** Rollouts that one app serves at once. */
const rolloutCount = 20;

/** Makes one test of each idiom of a framework. */
export function describeZoo(framework: string, withLightning: Wrap, idioms: readonly Idiom[]): void {
  describe(`the idioms of ${framework}`, () => {
    it('are at least 40, each with a name of its own and its page', () => {
      expect(new Set(idioms.map(({ name }) => name)).size).toBe(idioms.length);
      expect(idioms.length).toBeGreaterThanOrEqual(40);
      for (const { source } of idioms) expect(source).toMatch(/^https:\/\//);
    });
    it.each(idioms)('$name', (idiom) => checkIdiom(idiom, withLightning, rolloutCount));
  });
}
