/**
 * Writes a value as one line of JSON; arrays of tokens become lists of numbers. Of the control characters that terminals obey, JSON leaves some as
 * they are: those are escaped, too.
 */
export function toJsonLine(value: unknown): string {
  const line = JSON.stringify(value, (_, each: unknown) =>
    each instanceof Int32Array || each instanceof Float32Array ? Array.from(each) : each,
  );
  return `${line.replaceAll(/[\u007F-\u009F]/g, (each) => `\\u00${each.charCodeAt(0).toString(16)}`)}\n`;
}
