/** May read whole events by itself, as they stand from `start` on; returns where the first one begins that it has not read. */
export type Skim = (bytes: Buffer, start: number) => number;

const lineFeed = 10;
const carriageReturn = 13;
const space = 32;
const dataField = Buffer.from('data:');

/** Cuts a stream of bytes into the data of its server-sent events, wherever the bytes were cut. */
export class EventStreamParser {
  readonly #onEvent: (data: Buffer) => void;
  readonly #skim: Skim | undefined;
  /** Pieces of a line whose end has not come. */
  #rest: Buffer[] = [];
  /** Lines of data of an event that has not ended. */
  #data: Buffer[] = [];

  /** @param onEvent told the data of each event that `skim` has not read */
  constructor(onEvent: (data: Buffer) => void, skim?: Skim) {
    this.#onEvent = onEvent;
    this.#skim = skim;
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
      if (this.#data.length === 0) start = this.#skim?.(bytes, start) ?? start;
      const end = bytes.indexOf(lineFeed, start);
      if (end < 0) break;
      this.#line(bytes.subarray(start, end));
      start = end + 1;
    }
    if (start < bytes.length) this.#rest.push(bytes.subarray(start));
  }

  #line(line: Buffer): void {
    if (line.length === 0) {
      const data = this.#data.length === 1 ? (this.#data[0] as Buffer) : Buffer.concat(this.#data);
      if (this.#data.length > 0) this.#onEvent(data);
      this.#data = [];
    } else if (line.subarray(0, dataField.length).equals(dataField)) {
      const data = line.subarray(line[dataField.length] === space ? dataField.length + 1 : dataField.length);
      this.#data.push(...(this.#data.length > 0 ? [Buffer.of(lineFeed)] : []), data);
    }
    // `event:`, `id:`, `retry:` and comments mean nothing on this wire.
  }
}

/** A CR at the very end may be half of a CRLF: it waits. */
function withLineFeeds(bytes: Buffer): Buffer {
  // As Latin-1 a byte is a character, whatever the text is in.
  return Buffer.from(bytes.toString('latin1').replaceAll(/\r\n|\r(?!$)/gu, '\n'), 'latin1');
}
