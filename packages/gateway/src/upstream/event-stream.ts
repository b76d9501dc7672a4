import { standsAt } from './number-lists.ts';

/** Told the data of an event: the bytes from `start` to `end`. They may hold many events, so that none is copied. */
export type OnEvent = (bytes: Buffer, start: number, end: number) => void;

const lineFeed = 10;
const carriageReturn = 13;
const space = 32;
const dataField = Buffer.from('data:');

/** Cuts a stream of bytes into the data of its server-sent events, wherever the bytes were cut. */
export class EventStreamParser {
  readonly #onEvent: OnEvent;
  /** Pieces of a line whose end has not come. */
  #rest: Buffer[] = [];
  /** Lines of data of an event that has not ended. */
  #data: Buffer[] = [];

  constructor(onEvent: OnEvent) {
    this.#onEvent = onEvent;
  }

  /** Tells every event that these bytes complete. Lines end in LF, CRLF or CR. */
  push(bytes: Buffer): void {
    if (bytes.length === 0) return;
    const hasCarriage = bytes.includes(carriageReturn) || this.#rest.at(-1)?.at(-1) === carriageReturn;
    this.#rest.push(bytes);
    // A long line in many pieces is put together once, when its end comes.
    if (!hasCarriage && !bytes.includes(lineFeed)) return;
    const read = this.#rest.length === 1 ? bytes : Buffer.concat(this.#rest);
    this.#rest = [];
    this.#lines(hasCarriage ? withLineFeeds(read) : read);
  }

  #lines(bytes: Buffer): void {
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(lineFeed, start);
      if (end < 0) break;
      start = this.#line(bytes, start, end);
    }
    if (start < bytes.length) this.#rest.push(bytes.subarray(start));
  }

  /** Returns where the next line begins that was not read. */
  #line(bytes: Buffer, start: number, end: number): number {
    if (start === end) {
      const data = this.#data.length === 1 ? (this.#data[0] as Buffer) : Buffer.concat(this.#data);
      if (this.#data.length > 0) this.#onEvent(data, 0, data.length);
      this.#data = [];
    } else if (standsAt(bytes, start, dataField)) {
      const from = start + (bytes[start + 5] === space ? 6 : 5);
      if (this.#data.length === 0 && bytes[end + 1] === lineFeed) {
        this.#onEvent(bytes, from, end);
        return end + 2;
      }
      this.#data.push(...(this.#data.length > 0 ? [Buffer.of(lineFeed)] : []), bytes.subarray(from, end));
    }
    // `event:`, `id:`, `retry:` and comments mean nothing on this wire.
    return end + 1;
  }
}

/** A CR at the very end may be half of a CRLF: it waits. */
function withLineFeeds(bytes: Buffer): Buffer {
  // As Latin-1 a byte is a character, whatever the text is in.
  return Buffer.from(bytes.toString('latin1').replaceAll(/\r\n|\r(?!$)/gu, '\n'), 'latin1');
}
