/** Keeps the first and the last bytes of a stream in constant memory. */
export class CapturedOutput {
  readonly #half: number;
  #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #totalBytes = 0;

  constructor(maxBytes: number) {
    this.#half = Math.floor(maxBytes / 2);
  }

  /** Bytes that went by, kept or not. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  write(chunk: Buffer): void {
    this.#totalBytes += chunk.length;
    const room = this.#half - this.#headBytes;
    const head = chunk.subarray(0, room);
    if (head.length > 0) {
      this.#head.push(head);
      this.#headBytes += head.length;
    }
    const rest = chunk.subarray(head.length);
    if (rest.length === 0) return;
    this.#tail.push(rest);
    this.#tailBytes += rest.length;
    while (this.#tailBytes - this.#tail[0]!.length >= this.#half) this.#tailBytes -= this.#tail.shift()!.length;
  }

  /** Returns what was kept as text, with a mark where something is missing. `secret` is in it nowhere, nor a piece of it at the mark. */
  text(secret: string | undefined): string {
    const head = Buffer.concat(this.#head);
    const tail = Buffer.concat(this.#tail).subarray(-this.#half);
    const missing = this.#totalBytes - head.length - Math.min(tail.length, this.#tailBytes);
    if (missing === 0) return hide(toText(Buffer.concat([head, tail])), secret);
    const before = withoutSecretStart(hide(wholeCharacters(head), secret), secret);
    const after = withoutSecretEnd(hide(wholeCharacters(tail), secret), secret);
    return `${before}\n… [${missing} more bytes] …\n${after}`;
  }
}

/** Returns the text with every `secret` replaced. */
export function hide(text: string, secret: string | undefined): string {
  return secret === undefined || secret === '' ? text : text.replaceAll(secret, '[key of the attempt]');
}

/** Decodes UTF-8. What is not UTF-8, and NUL, which stores reject, becomes a replacement character. */
function toText(bytes: Buffer): string {
  return bytes.toString().replaceAll('\0', '\uFFFD');
}

/** Returns the text without the halves of characters that a cut left at either end. */
function wholeCharacters(bytes: Buffer): string {
  return toText(bytes).replace(/^\uFFFD+|\uFFFD+$/g, '');
}

function withoutSecretStart(text: string, secret = ''): string {
  for (let length = secret.length - 1; length > 0; length--)
    if (text.endsWith(secret.slice(0, length))) return text.slice(0, -length);
  return text;
}

function withoutSecretEnd(text: string, secret = ''): string {
  for (let length = secret.length - 1; length > 0; length--)
    if (text.startsWith(secret.slice(-length))) return text.slice(length);
  return text;
}
