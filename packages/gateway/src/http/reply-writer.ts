import type { ServerResponse } from 'node:http';
import type { WireError } from './wire-error.ts';

/** Writes one reply to an agent: a JSON document, or server-sent events as they come. */
export class ReplyWriter {
  readonly #response: ServerResponse;
  #streaming = false;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  /** Whether the agent has seen a byte: nothing can be retried or replaced afterwards. */
  get hasStarted(): boolean {
    return this.#response.headersSent;
  }

  json(payload: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): void {
    const body = Buffer.from(JSON.stringify(payload));
    this.#response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length, ...headers });
    this.#response.end(body);
  }

  /** Sends events in one write; a promise is returned when the agent reads slower than they come. */
  events(payloads: readonly unknown[]): Promise<void> | undefined {
    if (!this.#streaming) this.#open();
    let text = '';
    for (const payload of payloads) text += `data: ${JSON.stringify(payload)}\n\n`;
    if (this.#response.destroyed || this.#response.write(text)) return undefined;
    return new Promise((resolve) => {
      const settle = (): void => {
        this.#response.off('drain', settle).off('close', settle);
        resolve();
      };
      this.#response.on('drain', settle).on('close', settle);
    });
  }

  endEvents(): void {
    if (!this.#streaming) this.#open();
    this.#response.end('data: [DONE]\n\n');
  }

  /** An error status before the first byte, an error event after it: never a reply that only looks complete. */
  fail(error: WireError): void {
    if (this.#response.destroyed || this.#response.writableEnded) return;
    if (this.#streaming) this.#response.end(`data: ${JSON.stringify(error.toWire())}\n\n`);
    else if (this.#response.headersSent) this.#response.destroy();
    else this.json(error.toWire(), error.status, error.headers);
  }

  /** Resolves to whether everything was handed to the agent's connection; false when that closed first. */
  delivered(): Promise<boolean> {
    if (this.#response.writableFinished) return Promise.resolve(true);
    if (this.#response.destroyed) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#response.once('finish', () => resolve(true));
      this.#response.once('close', () => resolve(this.#response.writableFinished));
    });
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
