/** Counts the characters of what is put into a file, and refuses what would be too much. */
export class Budget {
  #left: number;

  constructor(most: number) {
    this.#left = most;
  }

  /** Tells whether there was room for a value, which then is counted. */
  take(value: object): boolean {
    const size = JSON.stringify(value).length;
    if (size > this.#left) return false;
    this.#left -= size;
    return true;
  }
}
