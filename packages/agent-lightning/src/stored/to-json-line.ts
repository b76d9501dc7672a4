/** Writes a value as one line of JSON; arrays of tokens become lists of numbers. */
export function toJsonLine(value: unknown): string {
  const line = JSON.stringify(value, (_, each: unknown) =>
    each instanceof Int32Array || each instanceof Float32Array ? Array.from(each) : each,
  );
  return `${line}\n`;
}
