/** A typed array that grows by doubling: numbers are kept packed while a reply comes in. */
export class GrowingArray<Values extends Int32Array | Float32Array> {
  readonly #make: (length: number) => Values;
  #values: Values;
  #length = 0;

  constructor(make: (length: number) => Values, capacity = 0) {
    this.#make = make;
    this.#values = make(capacity);
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) this.#grow(this.#length + 1);
    this.#values[this.#length] = value;
    this.#length += 1;
  }

  append(values: ArrayLike<number>): void {
    const length = this.#length + values.length;
    if (length > this.#values.length) this.#grow(length);
    // For so few values a call into native code costs more.
    if (values.length < 16)
      for (let index = 0; index < values.length; index += 1)
        this.#values[this.#length + index] = values[index] as number;
    else this.#values.set(values, this.#length);
    this.#length = length;
  }

  /** Forgets what came after the first `length` values. */
  truncate(length: number): void {
    this.#length = length;
  }

  /** What was appended, without a copy: good until more is appended. */
  view(): Values {
    return this.#values.subarray(0, this.#length) as Values;
  }

  /** A copy of what was appended. */
  toArray(): Values {
    return this.#values.slice(0, this.#length) as Values;
  }

  #grow(length: number): void {
    const grown = this.#make(Math.max(length, this.#values.length * 2, 8));
    grown.set(this.#values.subarray(0, this.#length));
    this.#values = grown;
  }
}
