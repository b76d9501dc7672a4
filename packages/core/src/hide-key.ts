/** Names what is given where a server asks for no key, in small letters: no secrets, but words that an answer may have. */
const placeholders: ReadonlySet<string> = new Set([
  'none',
  'null',
  'empty',
  'unused',
  'dummy',
  'fake',
  'placeholder',
  'not-needed',
  'no-key',
]);

/**
 * Returns a text that a server wrote without the key that it was given: some repeat a key that they reject. The key is found as it is, as an address
 * has it, and as JSON may have it. Hide it before a text is cut, or a part of it could stay. A placeholder such as
 * `none`, `EMPTY` or `dummy` is no secret, and stays; any other key is hidden, however short.
 */
export function hideKey(text: string, apiKey: string | undefined): string {
  if (apiKey === undefined || apiKey === '' || placeholders.has(apiKey.toLowerCase())) return text;
  return text.replaceAll(writtenForms(apiKey), '[key]');
}

/** Makes the expression that finds a key of which each character is written as it is, as `%2f`, `\u002f` or `\/`. */
function writtenForms(apiKey: string): RegExp {
  const units = [...Array(apiKey.length).keys()].map((index) => apiKey.charCodeAt(index));
  return new RegExp(units.map(formsOf).join(''), 'g');
}

function formsOf(unit: number): string {
  const hex = unit.toString(16).padStart(4, '0');
  const either = hex.replaceAll(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
  const encoded = unit < 128 ? `|%${either.slice(2)}` : '';
  const escaped = '"\\/'.includes(String.fromCharCode(unit)) ? `\\\\\\u${hex}|` : '';
  return `(?:${escaped}\\u${hex}|\\\\u${either}${encoded})`;
}
