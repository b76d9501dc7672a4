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
    if (length > this.#values.length) this.#grow(length);
    this.#values.set(values, this.#length);
    this.#length = length;
  }

  clear(): void {
    this.#length = 0;
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
