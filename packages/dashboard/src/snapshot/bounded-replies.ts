import { toData } from './to-data.ts';

/** Gathers the replies of a file of a bounded size, and what was left out since there was no room for it. */
export class BoundedReplies {
  /** Replies by their addresses. */
  readonly replies: Record<string, object> = {};
  /** Names what was left out, such as `the prompts`. */
  readonly leftOut: string[] = [];
  #left: number;

  /** @param mostBytes the room for the data of the file, as it is written */
  constructor(mostBytes: number) {
    this.#left = mostBytes;
  }

  /** The room that is left; below 0 when what the file always has takes more than all of it. */
  get leftBytes(): number {
    return this.#left;
  }

  /** Counts data that is in the file in any case. */
  count(data: object): void {
    this.#left -= sizeOf(data);
  }

  /** Adds replies that are in the file in any case. */
  put(replies: Readonly<Record<string, object>>): void {
    this.count(replies);
    Object.assign(this.replies, replies);
  }

  /** Counts data, and tells whether there was room for it. @param data an item of a list is given as a list of one @param reserve bytes that it must leave for what follows */
  take(data: object, reserve = 0): boolean {
    const size = sizeOf(data);
    if (size > this.#left - reserve) return false;
    this.#left -= size;
    return true;
  }

  /** Adds replies, all of them or none, and tells whether there was room. @param reserve bytes that they must leave for what follows */
  add(replies: Readonly<Record<string, object>>, reserve = 0): boolean {
    if (!this.take(replies, reserve)) return false;
    Object.assign(this.replies, replies);
    return true;
  }
}

/** Returns the bytes of data as it is written. What it becomes a part of has braces or brackets of its own: those of the data stand for the comma after it. */
function sizeOf(data: object): number {
  return Buffer.byteLength(toData(data));
}
