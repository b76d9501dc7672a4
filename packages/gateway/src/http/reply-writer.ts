import type { ServerResponse } from 'node:http';
import { EventBytes, type TakenBytes } from './event-bytes.ts';
import type { JsonObject } from './read-body.ts';
import type { ReplyEvent, ReplySink } from './reply-sink.ts';
import type { ReplyError } from './reply-error.ts';

/** Writes one reply to an agent, as OpenAI has it: a JSON document, or server-sent events as they come. */
export class ReplyWriter implements ReplySink {
  readonly #response: ServerResponse;
  #streaming = false;
  /** Events that are not sent yet. */
  readonly output: EventBytes = new EventBytes();

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  get isStreaming(): boolean {
    return this.#streaming;
  }

  json(payload: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): void {
    this.bytes(Buffer.from(JSON.stringify(payload)), 'application/json', status, headers);
  }

  bytes(body: Buffer, type: string, status = 200, headers: Readonly<Record<string, string>> = {}): void {
    if (!this.#response.headersSent)
      this.#response.writeHead(status, { 'content-type': type, 'content-length': body.length, ...headers });
    this.#response.end(body);
  }

  event({ text, payload }: ReplyEvent): void {
    this.output.addText(`data: ${text ?? JSON.stringify(payload)}\n\n`);
  }

  /** Adds server-sent events that are text already. */
  text(text: string): void {
    this.output.addText(text);
  }

  flush(): Promise<void> | undefined {
    const taken = this.output.take();
    if (taken === undefined) return undefined;
    if (!this.#streaming) this.#open();
    if (this.#response.destroyed || this.#write(taken)) return undefined;
    return new Promise((resolve) => {
      const settle = (): void => {
        this.#response.off('drain', settle).off('close', settle);
        resolve();
      };
      this.#response.on('drain', settle).on('close', settle);
    });
  }

  endEvents(): void {
    this.endText('data: [DONE]\n\n');
  }

  /** Sends the last events. */
  endText(text: string): void {
    if (!this.#streaming) this.#open();
    this.output.addText(text);
    const taken = this.output.take();
    if (taken !== undefined && !this.#response.destroyed) this.#write(taken);
    this.#response.end();
  }

  beat(isStream: boolean): void {
    if (this.#response.destroyed || this.#response.writableEnded) return;
    if (isStream) {
      if (!this.#streaming) this.#open();
      this.#response.write(': the call goes on\n\n');
    } else {
      if (!this.#response.headersSent) this.#response.writeHead(200, { 'content-type': 'application/json' });
      this.#response.write('\n');
    }
  }

  fail(error: ReplyError): void {
    const body = error.toBody();
    this.failWith(error, body, `data: ${JSON.stringify(body)}\n\n`);
  }

  /** Fails in the words of another dialect. */
  failWith(error: ReplyError, body: JsonObject, event: string): void {
    if (this.#response.destroyed || this.#response.writableEnded) return;
    if (this.#streaming) this.endText(event);
    else if (this.#response.headersSent) this.#response.destroy();
    else this.json(body, error.status, error.headers);
  }

  delivered(): Promise<boolean> {
    if (this.#response.writableFinished) return Promise.resolve(true);
    if (this.#response.destroyed) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#response.once('finish', () => resolve(true));
      this.#response.once('close', () => resolve(this.#response.writableFinished));
    });
  }

  /** Sends bytes, and tells whether the connection takes more at once. Writes of one turn are sent together. */
  #write({ pieces, release }: TakenBytes): boolean {
    let hasRoom = true;
    for (const [index, piece] of pieces.entries())
      hasRoom = this.#response.write(piece, index === pieces.length - 1 ? release : undefined);
    return hasRoom;
  }

  #open(): void {
    this.#streaming = true;
    this.#response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    });
  }
}
