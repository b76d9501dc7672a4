/** The most characters of a value that a message repeats. */
const shownCharacters = 200;

/** Writes a value for a message: as JSON where JSON can hold it, shortened, and never failing, whatever the value is. */
export function showValue(value: unknown): string {
  const text = toText(value);
  return text.length <= shownCharacters ? text : `${text.slice(0, shownCharacters).toWellFormed()}…`;
}

function toText(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return `a function${value.name === '' ? '' : ` ${value.name}`}`;
  if (typeof value !== 'object' && typeof value !== 'string') return String(value);
  try {
    return JSON.stringify(value) ?? describeClass(value);
  } catch {
    return describeClass(value); // such as a circle, a BigInt inside, or a `toJSON` that throws
  }
}

/** Names the class of a value, such as `a Map`; `an object` where it has none. */
export function describeClass(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (typeof value !== 'object' || value === null) return `a ${typeof value}`;
  try {
    const name: unknown = (value as { readonly constructor?: { readonly name?: unknown } }).constructor?.name;
    return typeof name === 'string' && name !== '' && name !== 'Object' ? `a ${name}` : 'an object';
  } catch {
    return 'an object';
  }
}
