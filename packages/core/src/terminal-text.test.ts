import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigurationError, LightningError } from './errors.ts';
import { toTerminalText } from './terminal-text.ts';

const escape = '\u001B';

describe('toTerminalText', () => {
  it.each([
    ['a colour', `${escape}[1;31mred${escape}[0m`, 'red'],
    ['a cleared screen', `${escape}[2J${escape}[Hgone`, 'gone'],
    ['a CSI of one character', '\u009B31mred', 'red'],
    ['a title', `${escape}]0;owned\u0007text`, 'text'],
    ['the clipboard', `${escape}]52;c;cm0gLXJmIC8=${escape}\\text`, 'text'],
    ['a link', `${escape}]8;;https://a.example${escape}\\name${escape}]8;;${escape}\\`, 'name'],
    ['a string without an end', `before${escape}]0;never ends`, 'before0;never ends'],
    ['a device string', `${escape}P1$r0m${escape}\\text`, 'text'],
    ['a reset', `${escape}ctext`, 'text'],
    ['an escape at the end', `text${escape}`, 'text'],
    ['a line that is written over', 'failed\rpassed', 'failed\\x0dpassed'],
    ['backspaces', 'bad\b\b\bgood', 'bad\\x08\\x08\\x08good'],
    ['a bell', 'ring\u0007', 'ring\\x07'],
    ['a turned direction', 'a\u202Eb\u2066c', 'a\\u202eb\\u2066c'],
    ['a sequence within a sequence', `${escape}[${escape}[31mm`, 'm'],
  ])('takes out or shows %s', (_, text, shown) => {
    expect(toTerminalText(text)).toBe(shown);
  });

  it('leaves ordinary text as it is', () => {
    for (const text of ['', 'größer, 客服, 👩‍🚀', 'two\nlines\tand a tab', '[1] {"a": "\\u001b[31m"}'])
      expect(toTerminalText(text)).toBe(text);
    expect(toTerminalText('line\r\nline')).toBe('line\nline');
  });

  it('leaves no control character, whatever the text, and nothing that Node would take out', () => {
    const piece = fc.oneof(
      fc.constantFrom(escape, '[', ']', '31m', '\u0007', '\u009B', '\u0090', '\\', 'P', '\r', 'text'),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const shown = toTerminalText(pieces.join(''));
        // oxlint-disable-next-line no-control-regex -- the very characters that must not be there
        expect(shown).not.toMatch(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u202A-\u202E]/);
        expect(stripVTControlCharacters(shown)).toBe(shown);
      }),
    );
  });
});

it('an error of this project says nothing that a terminal would obey, and keeps its cause as it was', () => {
  const cause = new TypeError(`${escape}[2Jgone`);
  const error = new ConfigurationError(`the agent said "${cause.message}"`, { code: 'option-invalid', cause });
  expect(error).toMatchObject({ message: 'the agent said "gone"', cause });
  expect(error.stack).not.toContain(`the agent said "${escape}`);
  expect(LightningError.isInstance(error)).toBe(true);
});
