/** A typed array that grows by doubling: numbers are kept packed while a reply comes in. */
export class GrowingArray<Values extends Int32Array | Float32Array> {
  readonly #make: (length: number) => Values;
  #values: Values;
  #length = 0;

  constructor(make: (length: number) => Values) {
    this.#make = make;
    this.#values = make(0);
  }

  get length(): number {
    return this.#length;
  }

  append(values: ArrayLike<number>): void {
    const length = this.#length + values.length;
    if (length > this.#values.length) {
      const grown = this.#make(Math.max(length, this.#values.length * 2));
      grown.set(this.#values.subarray(0, this.#length));
      this.#values = grown;
    }
    // For so few values a call into native code costs more.
    if (values.length < 16)
      for (let index = 0; index < values.length; index += 1)
        this.#values[this.#length + index] = values[index] as number;
    else this.#values.set(values, this.#length);
    this.#length = length;
  }

  /** A copy of what was appended. */
  toArray(): Values {
    return this.#values.slice(0, this.#length) as Values;
  }
}
