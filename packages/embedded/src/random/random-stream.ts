/** Generates reproducible random numbers whose state is one number, so that it can be saved. */

/** A stream of 32-bit numbers: mulberry32. The same state gives the same numbers on every machine. */
export class RandomStream {
  /** An unsigned 32-bit integer. */
  state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** Returns an integer in [0, 2³²). */
  nextUint32(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return (bits ^ (bits >>> 14)) >>> 0;
  }

  /** Returns a number in [0, 1), a multiple of 2⁻³². */
  nextUniform(): number {
    return this.nextUint32() / 2 ** 32;
  }

  /** Returns a standard normal number, by the Box–Muller transform. */
  nextNormal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.nextUniform())) * Math.cos(2 * Math.PI * this.nextUniform());
  }
}
