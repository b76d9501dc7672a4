import { StringDecoder } from 'node:string_decoder';

/** Cuts a stream of bytes into the data of its server-sent events, wherever the bytes were cut. */
export class EventStreamParser {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  #data: string[] = [];

  /** The data of every event that these bytes complete. Lines end in LF, CRLF or CR. */
  push(bytes: Buffer): string[] {
    const text = this.#rest + this.#decoder.write(bytes);
    const events: string[] = [];
    let start = 0;
    let carriage = text.indexOf('\r');
    for (;;) {
      const feed = text.indexOf('\n', start);
      if (carriage >= 0 && carriage < start) carriage = text.indexOf('\r', start);
      const end = carriage >= 0 && (feed < 0 || carriage < feed) ? carriage : feed;
      // A CR at the very end may be half of a CRLF: it waits.
      if (end < 0 || (end === carriage && end === text.length - 1)) break;
      this.#line(text.slice(start, end), events);
      start = end === carriage && feed === end + 1 ? end + 2 : end + 1;
    }
    this.#rest = text.slice(start);
    return events;
  }

  #line(line: string, events: string[]): void {
    if (line === '') {
      if (this.#data.length > 0) events.push(this.#data.length === 1 ? (this.#data[0] ?? '') : this.#data.join('\n'));
      this.#data = [];
    } else if (line.startsWith('data:')) this.#data.push(line.charCodeAt(5) === 32 ? line.slice(6) : line.slice(5));
    // `event:`, `id:`, `retry:` and comments mean nothing on this wire.
  }
}
