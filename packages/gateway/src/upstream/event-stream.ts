import { StringDecoder } from 'node:string_decoder';

/** Cuts a stream of bytes into the data of its server-sent events, wherever the bytes were cut. */
export class EventStreamParser {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  #data: string[] = [];

  /** Characters held back because their event is not complete. */
  get pendingLength(): number {
    return this.#rest.length + this.#data.reduce((sum, line) => sum + line.length, 0);
  }

  /** The data of every event that these bytes complete. */
  push(bytes: Buffer): string[] {
    const text = this.#rest + this.#decoder.write(bytes);
    const events: string[] = [];
    let start = 0;
    while (true) {
      const end = lineEnd(text, start);
      if (end === undefined) break;
      this.#line(text.slice(start, end.at), events);
      start = end.next;
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

/** The next line end: LF, CRLF or CR; a CR at the very end may be half of a CRLF and waits. */
function lineEnd(text: string, start: number): { readonly at: number; readonly next: number } | undefined {
  const feed = text.indexOf('\n', start);
  const stop = feed < 0 ? text.length : feed;
  const carriage = text.indexOf('\r', start);
  if (carriage >= 0 && carriage < stop) {
    if (carriage === text.length - 1) return undefined;
    return { at: carriage, next: text.charCodeAt(carriage + 1) === 10 ? carriage + 2 : carriage + 1 };
  }
  return feed < 0 ? undefined : { at: feed, next: feed + 1 };
}
