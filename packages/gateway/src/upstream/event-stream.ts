import { StringDecoder } from 'node:string_decoder';

/** Told the data of an event: the part of a text from `start` to `end`. A text may hold many events, so that none is copied. */
export type OnEvent = (text: string, start: number, end: number) => void;

const lineFeed = 10;
const space = 32;

/** Cuts a stream of bytes into the data of its server-sent events, wherever the bytes were cut. */
export class EventStreamParser {
  readonly #onEvent: OnEvent;
  readonly #decoder = new StringDecoder('utf8');
  /** A line whose end has not come. */
  #rest = '';
  /** Lines of data of an event that has not ended. */
  #data: string[] = [];

  constructor(onEvent: OnEvent) {
    this.#onEvent = onEvent;
  }

  /** Tells every event that these bytes complete. Lines end in LF, CRLF or CR. */
  push(bytes: Buffer): void {
    const decoded = this.#decoder.write(bytes);
    const hasCarriage = decoded.includes('\r') || this.#rest.endsWith('\r');
    // A long line in many pieces is put together once, when its end comes.
    if (!hasCarriage && !decoded.includes('\n')) this.#rest += decoded;
    else this.#lines(this.#rest === '' ? decoded : this.#rest + decoded, hasCarriage);
  }

  #lines(read: string, hasCarriage: boolean): void {
    // A CR at the very end may be half of a CRLF: it waits.
    const text = hasCarriage ? read.replaceAll(/\r\n|\r(?!$)/gu, '\n') : read;
    let start = 0;
    for (;;) {
      const end = text.indexOf('\n', start);
      if (end < 0) break;
      this.#line(text, start, end);
      start = end + 1;
    }
    this.#rest = text.slice(start);
  }

  #line(text: string, start: number, end: number): void {
    if (start === end) {
      const data = this.#data.length === 1 ? (this.#data[0] as string) : this.#data.join('\n');
      if (this.#data.length > 0) this.#onEvent(data, 0, data.length);
      this.#data = [];
    } else if (text.startsWith('data:', start)) {
      const from = start + (text.charCodeAt(start + 5) === space ? 6 : 5);
      const isWhole = this.#data.length === 0 && text.charCodeAt(end + 1) === lineFeed;
      if (isWhole) this.#onEvent(text, from, end);
      else this.#data.push(text.slice(from, end));
    }
    // `event:`, `id:`, `retry:` and comments mean nothing on this wire.
  }
}
