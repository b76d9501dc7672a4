import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { StopMatcher } from './stop-matcher.ts';

describe('StopMatcher', () => {
  it('finds a stop text that is spread over pieces', () => {
    const matcher = new StopMatcher(['</sql>']);
    expect(matcher.push('SELECT 1</')).toEqual({ text: 'SELECT 1', stopped: false });
    expect(matcher.push('sq')).toEqual({ text: '', stopped: false });
    expect(matcher.push('l> and more')).toEqual({ text: '', stopped: true });
  });

  it('gives back what only looked like a stop text', () => {
    const matcher = new StopMatcher(['</sql>']);
    expect(matcher.push('a</s').text + matcher.push('x').text).toBe('a</sx');
    expect(matcher.push('</').text + matcher.flush()).toBe('</');
  });

  it('looks for more stop texts than a list of arguments may have', () => {
    const matcher = new StopMatcher(Array.from({ length: 200_000 }, (_, index) => `<${index}>`));
    expect(matcher.push('a<199')).toEqual({ text: 'a', stopped: false });
    expect(matcher.push('999>b')).toEqual({ text: '', stopped: true });
  });

  it('cuts where the earliest stop text begins, whatever the pieces', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c') });
    const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(fc.array(letters), stops, (pieces, stopTexts) => {
        const matcher = new StopMatcher(stopTexts);
        let shown = '';
        let read = '';
        for (const piece of pieces) {
          read += piece;
          const { text, stopped } = matcher.push(piece);
          shown += text;
          if (stopped) {
            expect(shown).toBe(
              read.slice(0, Math.min(...stopTexts.map((stop) => read.indexOf(stop)).filter((index) => index >= 0))),
            );
            return;
          }
          expect(stopTexts.some((stop) => read.includes(stop))).toBe(false);
        }
        expect(shown + matcher.flush()).toBe(read);
      }),
    );
  });
});
