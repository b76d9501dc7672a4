import { ReplyError } from '../http/reply-error.ts';
import { shownUrl } from '../http/shown-url.ts';
import type { StreamReader } from './reply-reader.ts';

const lineFeed = 10;
const carriageReturn = 13;
const space = 32;
const dataField = Buffer.from('data:');

/** The longest event: one that repeats a prompt of a million token ids takes a quarter of it. */
const longestEvent = 32 * 1_048_576;
/** The most pieces of a line that are kept apart; more become one, so that small pieces cost no more than their bytes. */
const mostPieces = 1_024;

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

export interface EventStreamOptions {
  /** The upstream, for errors. */
  readonly url?: URL;
  /** The most bytes of one event, and of one line. @default 32 MiB */
  readonly longestEventBytes?: number;
}

/** Cuts a stream of bytes into the data of its server-sent events, wherever the bytes were cut, in time that is linear in them. */
export class EventStreamParser {
  readonly #onEvent: (data: Buffer) => void;
  readonly #readEvents: StreamReader['readEvents'] | undefined;
  readonly #options: EventStreamOptions;
  readonly #rest = new LineRest();
  readonly #event = new EventData();

  /**
   * Creates a parser of one stream.
   * @param onEvent called with the data of each event that `readEvents` has not read; neither may keep the bytes
   */
  constructor(
    onEvent: (data: Buffer) => void,
    readEvents?: StreamReader['readEvents'],
    options: EventStreamOptions = {},
  ) {
    this.#onEvent = onEvent;
    this.#readEvents = readEvents;
    this.#options = options;
  }

  /** Reports every event that these bytes complete. Lines end in LF, CRLF or CR. @throws {ReplyError} `upstream-malformed` for an endless line or event */
  push(pieces: readonly Buffer[]): void {
    const isLineOver = pieces.some(hasLineEnd) || this.#rest.lastByte === carriageReturn;
    for (const piece of pieces) this.#rest.add(piece);
    // A long line in many pieces is put together once, when its end comes.
    if (!isLineOver || this.#rest.length === 0) return this.#checkLength(this.#rest.length);
    const bytes = this.#rest.take();
    return this.#lines(bytes.includes(carriageReturn) ? withLineFeeds(bytes) : bytes);
  }

  #lines(bytes: Buffer): void {
    let start = 0;
    for (;;) {
      if (this.#event.isEmpty) start = this.#readEvents?.(bytes, start) ?? start;
      const end = bytes.indexOf(lineFeed, start);
      if (end < 0) break;
      this.#line(bytes.subarray(start, end));
      start = end + 1;
    }
    if (start < bytes.length) this.#rest.add(Buffer.from(bytes.subarray(start)));
    this.#event.own();
    this.#checkLength(this.#rest.length);
  }

  #line(line: Buffer): void {
    if (line.length === 0) {
      const data = this.#event.take();
      if (data !== undefined) this.#onEvent(data);
    } else if (line.subarray(0, dataField.length).equals(dataField)) {
      this.#event.add(line.subarray(line[dataField.length] === space ? dataField.length + 1 : dataField.length));
      this.#checkLength(this.#event.length);
    }
    // `event:`, `id:`, `retry:` and comments mean nothing here.
  }

  #checkLength(bytes: number): void {
    const { url, longestEventBytes = longestEvent } = this.#options;
    if (bytes <= longestEventBytes) return;
    const upstream = url === undefined ? 'the upstream' : `the upstream ${shownUrl(url)}`;
    throw new ReplyError(`${upstream} sent an event or a line of more than ${longestEventBytes} bytes`, {
      code: 'upstream-malformed',
      replyCode: 'upstream-endless',
    });
  }
}

/** Gathers the pieces of a line whose end has not come. */
class LineRest {
  /** Blocks of many pieces each, and the pieces after them. */
  #blocks: Buffer[] = [];
  #pieces: Buffer[] = [];
  #length = 0;
  #lastByte: number | undefined;

  get length(): number {
    return this.#length;
  }

  get lastByte(): number | undefined {
    return this.#lastByte;
  }

  add(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#length += piece.length;
    this.#lastByte = piece.at(-1);
    if (this.#pieces.length < mostPieces) return;
    this.#blocks.push(Buffer.concat(this.#pieces));
    this.#pieces = [];
  }

  /** Returns all pieces as one and forgets them; the bytes must not be kept. */
  take(): Buffer {
    const bytes = join(this.#blocks.length === 0 ? this.#pieces : [...this.#blocks, ...this.#pieces]);
    this.#blocks = [];
    this.#pieces = [];
    this.#length = 0;
    this.#lastByte = undefined;
    return bytes;
  }
}

/** Gathers the lines of data of one event, in a buffer that doubles where there are several. */
class EventData {
  /** The only line so far. */
  #line: Buffer | undefined;
  #isOwn = false;
  #joined: Buffer | undefined;
  #length = 0;

  get isEmpty(): boolean {
    return this.#line === undefined && this.#joined === undefined;
  }

  get length(): number {
    return this.#length;
  }

  add(line: Buffer): void {
    if (this.isEmpty) {
      this.#line = line;
      this.#isOwn = false;
      this.#length = line.length;
      return;
    }
    if (this.#line !== undefined) {
      this.#joined = Buffer.allocUnsafe(2 * this.#line.length + line.length + 64);
      this.#line.copy(this.#joined);
      this.#line = undefined;
    }
    const joined = this.#withRoom(line.length + 1);
    joined[this.#length] = lineFeed;
    line.copy(joined, this.#length + 1);
    this.#length += line.length + 1;
  }

  /** Keeps the only line past the life of the bytes that it is a part of. */
  own(): void {
    if (this.#line === undefined || this.#isOwn) return;
    this.#line = Buffer.from(this.#line);
    this.#isOwn = true;
  }

  /** Returns the data and forgets it; undefined when the event has none. */
  take(): Buffer | undefined {
    const data = this.#line ?? this.#joined?.subarray(0, this.#length);
    this.#line = undefined;
    this.#joined = undefined;
    this.#length = 0;
    return data;
  }

  #withRoom(bytes: number): Buffer {
    const joined = this.#joined as Buffer;
    if (this.#length + bytes <= joined.length) return joined;
    const grown = Buffer.allocUnsafe(2 * (this.#length + bytes));
    joined.copy(grown, 0, 0, this.#length);
    this.#joined = grown;
    return grown;
  }
}

/** Replaces CRLF and CR by LF, but for a CR at the very end, which may be half of a CRLF. */
function withLineFeeds(bytes: Buffer): Buffer {
  // As Latin-1 a byte is a character, whatever the text is in.
  return Buffer.from(bytes.toString('latin1').replaceAll(/\r\n|\r(?!$)/gu, '\n'), 'latin1');
}
