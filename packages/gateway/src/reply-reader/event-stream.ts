import type { StreamReader } from './reply-reader.ts';

const lineFeed = 10;
const carriageReturn = 13;
const space = 32;
const dataField = Buffer.from('data:');

/** The buffer in which pieces are put together; its contents must not be kept. */
const joinBuffer = Buffer.allocUnsafeSlow(524_288);

function join(pieces: readonly Buffer[]): Buffer {
  if (pieces.length === 1) return pieces[0] as Buffer;
  if (pieces.reduce((sum, piece) => sum + piece.length, 0) > joinBuffer.length) return Buffer.concat(pieces);
  let length = 0;
  for (const piece of pieces) {
    joinBuffer.set(piece, length);
    length += piece.length;
  }
  return joinBuffer.subarray(0, length);
}

function hasLineEnd(piece: Buffer): boolean {
  return piece.includes(lineFeed) || piece.includes(carriageReturn);
}

/** Cuts a stream of bytes into the data of its server-sent events, wherever the bytes were cut. */
export class EventStreamParser {
  readonly #onEvent: (data: Buffer) => void;
  readonly #readEvents: StreamReader['readEvents'] | undefined;
  /** Pieces of a line whose end has not come. */
  #rest: Buffer[] = [];
  /** Lines of data of an event that has not ended. */
  #data: Buffer[] = [];

  /** Creates a parser of one stream. @param onEvent called with the data of each event that `readEvents` has not read; neither may keep the bytes */
  constructor(onEvent: (data: Buffer) => void, readEvents?: StreamReader['readEvents']) {
    this.#onEvent = onEvent;
    this.#readEvents = readEvents;
  }

  /** Reports every event that these bytes complete. Lines end in LF, CRLF or CR. */
  push(pieces: readonly Buffer[]): void {
    const isLineOver = pieces.some(hasLineEnd) || this.#rest.at(-1)?.at(-1) === carriageReturn;
    for (const piece of pieces) if (piece.length > 0) this.#rest.push(piece);
    // A long line in many pieces is put together once, when its end comes.
    if (!isLineOver || this.#rest.length === 0) return;
    const bytes = join(this.#rest);
    this.#rest = [];
    this.#lines(bytes.includes(carriageReturn) ? withLineFeeds(bytes) : bytes);
  }

  #lines(bytes: Buffer): void {
    let start = 0;
    for (;;) {
      if (this.#data.length === 0) start = this.#readEvents?.(bytes, start) ?? start;
      const end = bytes.indexOf(lineFeed, start);
      if (end < 0) break;
      this.#line(bytes.subarray(start, end));
      start = end + 1;
    }
    if (start < bytes.length) this.#rest.push(Buffer.from(bytes.subarray(start)));
    this.#data = this.#data.map((line) => Buffer.from(line));
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
    // `event:`, `id:`, `retry:` and comments mean nothing here.
  }
}

/** Replaces CRLF and CR by LF, but for a CR at the very end, which may be half of a CRLF. */
function withLineFeeds(bytes: Buffer): Buffer {
  // As Latin-1 a byte is a character, whatever the text is in.
  return Buffer.from(bytes.toString('latin1').replaceAll(/\r\n|\r(?!$)/gu, '\n'), 'latin1');
}
