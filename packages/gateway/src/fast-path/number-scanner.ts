import { scanBinary } from './scan-binary.ts';

/** The exports of `assembly/scan.ts`. Positions are bytes of its memory; 0 is what it leaves to the JSON parser. */
interface ScanExports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  base(): number;
  writeTo(ids: number, logprobs: number, said: number, shown: number): void;
  idsEnd(): number;
  logprobsEnd(): number;
  saidEnd(): number;
  shownEnd(): number;
  saidIsPlain(): number;
  readIds(start: number, end: number): number;
  readLogprobs(start: number, end: number): number;
  useFrame(at: number, ...lengths: FrameLengths): void;
  readEvents(start: number, end: number, limit: number): number;
  eventsRead(): number;
}

/** The part of the WebAssembly API in use; Node's types leave it to the DOM's. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
  validate(bytes: Uint8Array): boolean;
}

const binary: Uint8Array = Buffer.from(scanBinary, 'base64');

function findWebAssembly(): WebAssemblyApi | undefined {
  return (globalThis as { readonly WebAssembly?: WebAssemblyApi }).WebAssembly;
}

/** Tells whether this process runs WebAssembly, and this processor what the scanner needs of it. */
export function isSupported(): boolean {
  return findWebAssembly()?.validate(binary) === true;
}

/** The lengths of a frame's head, middle, between, tail, shown head and shown tail. */
type FrameLengths = readonly [number, number, number, number, number, number];

/**
 * The parts of a streamed event that do not differ from one event to the next, one after the other: up to the differing text;
 * from there to the first log-probability; from the end of the log-probabilities to the first id; after the ids; and what
 * stands before and after the text in the event that the agent gets.
 */
export interface FrameParts {
  readonly bytes: Buffer;
  readonly lengths: FrameLengths;
}

/** A list that was read, and the byte after it. */
export interface ScannedList<List> {
  readonly list: List;
  readonly end: number;
}

/** The content of events that were read; the lists and `shown` are the scanner's own memory, good until it is used again. */
export interface ScannedEvents {
  /** The byte after the last event. */
  readonly end: number;
  readonly count: number;
  readonly ids: Int32Array;
  readonly logprobs: Float32Array;
  /** The differing texts, joined, as they stand in JSON. */
  readonly said: string;
  /** Tells whether `said` has escapes to be read. */
  readonly isEscaped: boolean;
  readonly shown: Buffer;
}

export const longestFrameBytes = 32_768;
/** The longest reply that is scanned; longer ones are left to the JSON parser, so that the scanner's memory, which never shrinks, stays small. */
const longestScanBytes = 8 * 1_048_576;
const pageBytes = 65_536;

/** Reads token ids, log-probabilities and events of a known form out of JSON, without making text or JavaScript values of them. */
export class NumberScanner {
  readonly #wasm: ScanExports;
  readonly #input: number;
  #memory: Buffer;
  #loaded: Buffer | undefined;
  /** The position where results begin. */
  #output = 0;

  constructor() {
    const { Module, Instance } = findWebAssembly() as WebAssemblyApi;
    this.#wasm = new Instance(new Module(binary)).exports as ScanExports;
    this.#input = this.#wasm.base() + longestFrameBytes;
    this.#memory = Buffer.from(this.#wasm.memory.buffer);
  }

  /** Reads the ids of a list, from its first one; returns undefined for anything else. */
  ids(bytes: Buffer, at: number): ScannedList<Int32Array> | undefined {
    if (!this.#load(bytes)) return undefined;
    const end = this.#wasm.readIds(this.#input + at, this.#input + bytes.length);
    return end === 0 ? undefined : { list: this.#ids(this.#output).slice(), end: end - this.#input };
  }

  /** Reads the log-probabilities of a choice, from the first entry of `content`; returns undefined for other values, numbers or forms. */
  logprobs(bytes: Buffer, at: number): ScannedList<Float32Array> | undefined {
    if (!this.#load(bytes)) return undefined;
    const end = this.#wasm.readLogprobs(this.#input + at, this.#input + bytes.length);
    return end === 0 ? undefined : { list: this.#logprobs(this.#output).slice(), end: end - this.#input };
  }

  /** Reads the events from `at` on that are the frame's, `limit` at most; returns undefined when the first is not. */
  events(bytes: Buffer, at: number, frame: FrameParts, limit: number): ScannedEvents | undefined {
    const wasm = this.#wasm;
    // Without this look, each of many short events of another form would cost a copy of every frame.
    if (!beginsAt(bytes, at, frame.bytes, frame.lengths[0]) || !this.#load(bytes)) return undefined;
    const logprobsAt = this.#output + 2 * this.#roomFor(bytes);
    const saidAt = logprobsAt + this.#roomFor(bytes);
    const shownAt = saidAt + this.#roomFor(bytes);
    wasm.writeTo(this.#output, logprobsAt, saidAt, shownAt);
    this.#memory.set(frame.bytes, wasm.base());
    wasm.useFrame(wasm.base(), ...frame.lengths);
    const end = wasm.readEvents(this.#input + at, this.#input + bytes.length, limit) - this.#input;
    if (end === at) return undefined;
    const isEscaped = wasm.saidIsPlain() === 0;
    return {
      end,
      count: wasm.eventsRead(),
      ids: this.#ids(this.#output),
      logprobs: this.#logprobs(logprobsAt),
      said: this.#memory.toString(isEscaped ? 'utf8' : 'latin1', saidAt, wasm.saidEnd()),
      isEscaped,
      shown: this.#memory.subarray(shownAt, wasm.shownEnd()),
    };
  }

  #ids(at: number): Int32Array {
    return new Int32Array(this.#memory.buffer, at, (this.#wasm.idsEnd() - at) / 4);
  }

  #logprobs(at: number): Float32Array {
    return new Float32Array(this.#memory.buffer, at, (this.#wasm.logprobsEnd() - at) / 4);
  }

  /** Returns room for as many bytes as these, and for those that a copy of sixteen at a time may write after them. */
  #roomFor(bytes: Buffer): number {
    return (bytes.length + 47) & ~15;
  }

  /** Puts bytes into the memory, unless they were the last ones, and results behind them. */
  #load(bytes: Buffer): boolean {
    if (bytes.length > longestScanBytes) return false;
    if (bytes !== this.#loaded) {
      this.#output = this.#input + this.#roomFor(bytes);
      this.#reserve(this.#output + 5 * this.#roomFor(bytes));
      this.#memory.set(bytes, this.#input);
      this.#loaded = bytes;
    }
    this.#wasm.writeTo(this.#output, this.#output, this.#output, this.#output);
    return true;
  }

  #reserve(length: number): void {
    if (length <= this.#memory.length) return;
    this.#wasm.memory.grow(Math.ceil((length - this.#memory.length) / pageBytes));
    this.#memory = Buffer.from(this.#wasm.memory.buffer);
  }
}

/** Tells whether the first `length` bytes of `head` stand at `at`. */
function beginsAt(bytes: Buffer, at: number, head: Buffer, length: number): boolean {
  return at + length <= bytes.length && bytes.compare(head, 0, length, at, at + length) === 0;
}
