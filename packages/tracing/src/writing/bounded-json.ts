/** Holds the text of a value, or its beginning. */
export interface BoundedJson {
  readonly text: string;
  /** Tells whether the text is the whole JSON of the value. */
  readonly isWhole: boolean;
}

/**
 * Writes a value as `JSON.stringify` does, and stops soon after `limit` characters: a value of any size costs no more. Binary data
 * is named with its size and not written out. Returns undefined for what JSON leaves out, such as a function.
 * @throws {TypeError} for a circular value and for a BigInt; what the value's own getters and `toJSON` throw
 */
export function writeBoundedJson(value: unknown, limit: number): BoundedJson | undefined {
  const writer = new BoundedWriter(limit);
  return writer.write(value, '', '') ? { text: writer.text, isWhole: !writer.isFull } : undefined;
}

class BoundedWriter {
  text = '';
  readonly #limit: number;
  readonly #around: object[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isFull(): boolean {
    return this.text.length > this.#limit;
  }

  /** Writes what goes before a value, and the value; neither where JSON leaves the value out. Returns whether it wrote. */
  write(given: unknown, key: string, before: string): boolean {
    const value = valueOf(given, key);
    const simple = writeSimple(value, this.#limit);
    if (simple !== undefined) this.text += before + simple;
    if (simple !== undefined || typeof value !== 'object' || value === null) return simple !== undefined;
    if (this.#around.includes(value)) throw new TypeError('a circular structure');
    this.#around.push(value);
    this.text += before;
    if (Array.isArray(value)) this.#writeList(value);
    else this.#writeObject(value);
    this.#around.pop();
    return true;
  }

  #writeList(list: readonly unknown[]): void {
    this.text += '[';
    for (let index = 0; index < list.length && !this.isFull; index++) {
      const before = index === 0 ? '' : ',';
      if (!this.write(list[index], String(index), before)) this.text += `${before}null`;
    }
    this.text += ']';
  }

  #writeObject(object: object): void {
    this.text += '{';
    let before = '';
    for (const key of Object.keys(object)) {
      if (this.isFull) break;
      const value: unknown = (object as Record<string, unknown>)[key];
      if (this.write(value, key, `${before}${JSON.stringify(key)}:`)) before = ',';
    }
    this.text += '}';
  }
}

/** Returns the value that JSON writes in the place of a given one. */
function valueOf(given: unknown, key: string): unknown {
  if (ArrayBuffer.isView(given)) return `[${given.constructor.name} of ${given.byteLength} bytes]`;
  const { toJSON } = (given ?? {}) as { toJSON?: unknown };
  const value: unknown = typeof toJSON === 'function' ? Reflect.apply(toJSON, given, [key]) : given;
  const isBoxed = value instanceof String || value instanceof Number || value instanceof Boolean;
  return isBoxed ? value.valueOf() : value;
}

/** Writes what is no list and no object; returns undefined for these, and for what JSON leaves out. */
function writeSimple(value: unknown, limit: number): string | undefined {
  if (typeof value === 'string') return JSON.stringify(value.length > limit ? value.slice(0, limit + 1) : value);
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return JSON.stringify(value);
  if (typeof value === 'bigint') throw new TypeError('a BigInt');
  return undefined;
}
