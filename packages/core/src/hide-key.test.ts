import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LightningError } from './index.ts';

const { hideKey } = LightningError;
const key = 'sk/ab+7"c\\d=.*';

const letter = fc.constantFrom(...'abcABC019/+=_-.');

const unicode = (text: string): string =>
  [...text].map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');

describe('hideKey', () => {
  it.each([
    ['as it is', key],
    ['in an address', encodeURIComponent(key)],
    ['in an address in small letters', encodeURIComponent(key).toLowerCase()],
    ['in JSON', JSON.stringify(key).slice(1, -1)],
    ['in JSON of PHP', JSON.stringify(key).slice(1, -1).replaceAll('/', '\\/')],
    ['as code points', unicode(key)],
    ['as code points in capitals', unicode(key).toUpperCase().replaceAll('\\U', '\\u')],
  ])('takes a key out: %s', (_name, written) => {
    expect(hideKey(`bad ${written}, ${written}.`, key)).toBe('bad [key], [key].');
  });

  it('leaves a text alone that has no key in it, or where there is none', () => {
    expect(hideKey('bad sk', key)).toBe('bad sk');
    expect([hideKey('a text', undefined), hideKey('a text', '')]).toEqual(['a text', 'a text']);
  });

  it('leaves a text alone whose words a placeholder of a key is among', () => {
    const text = 'tool_choice must be auto, none or required';
    expect(hideKey(text, 'none')).toBe(text);
    expect(hideKey('the choice is EMPTY', 'EMPTY')).toBe('the choice is EMPTY');
  });

  it.each(['pw', 's3cret', 'sk-1234'])('takes a short key out: %s', (short) => {
    expect(hideKey(`the password ${short} is wrong`, short)).toBe('the password [key] is wrong');
  });

  it('leaves no key in any JSON of it', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 2, maxLength: 40, unit: letter }), fc.string(), (secret, around) => {
        const shown = hideKey(JSON.stringify([around, secret, around]), secret);
        fc.pre(!around.includes(secret) && !'[key]'.includes(secret));
        expect(JSON.parse(shown)).toEqual([around, '[key]', around]);
      }),
    );
  });
});
