/** Characters that turn the direction of the text after them, and those that a terminal would obey. */
// oxlint-disable-next-line no-control-regex -- these are the characters that must not pass
export const unsafe: RegExp = /[\u202A-\u202E\u2066-\u2069\u007F-\u009F]/g;

/** Writes data as JSON that ends no element: a browser reads it, and never runs it. */
export function toData(value: object): string {
  return JSON.stringify(value)
    .replaceAll(unsafe, '\uFFFD')
    .replaceAll('<', String.raw`\u003c`);
}
