/** A typed array that grows by doubling, and keeps numbers packed while a reply comes in. */
export class GrowingArray<Values extends Int32Array | Float32Array> {
  readonly #make: (length: number) => Values;
  #values: Values;
  #length = 0;
  #adopted: Values | undefined;

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

  /** Takes over a first piece without copying it; the caller must not change it afterwards. Later pieces are appended. */
  adopt(values: Values): void {
    if (this.#length > 0) return this.append(values);
    this.#values = values;
    this.#adopted = values;
    this.#length = values.length;
    return undefined;
  }

  clear(): void {
    if (this.#isAdopted()) this.#values = this.#make(0);
    this.#length = 0;
  }

  /** Returns what was appended, without a copy; it is valid until more is appended. */
  view(): Values {
    return this.#values.subarray(0, this.#length) as Values;
  }

  /** Returns a copy of what was appended, or the adopted piece itself when nothing was added to it. */
  toArray(): Values {
    return this.#isAdopted() ? this.#values : (this.#values.slice(0, this.#length) as Values);
  }

  #isAdopted(): boolean {
    return this.#values === this.#adopted;
  }

  #grow(length: number): void {
    const grown = this.#make(Math.max(length, this.#values.length * 2, 8));
    grown.set(this.#values.subarray(0, this.#length));
    this.#values = grown;
  }
}
