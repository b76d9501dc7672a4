import { connect, type Socket } from 'node:net';

/** Where a load is sent, and what. */
export interface Target {
  readonly baseUrl: string;
  readonly apiKey: string;
}

export interface Load {
  /** Used in turn. */
  readonly targets: readonly Target[];
  readonly body: Buffer;
  readonly calls: number;
  readonly concurrency: number;
  /** Calls per second; absent: each connection calls again as soon as it has its reply. */
  readonly rate?: number;
}

export interface LoadResult {
  readonly requestsPerSecond: number;
  /** In ms, from the planned start where a rate was given, so that waiting counts. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const headEnd = '\r\n\r\n';
const lastChunk = Buffer.from('\r\n0\r\n\r\n');

function requestBytes({ baseUrl, apiKey }: Target, body: Buffer): Buffer {
  const { host, pathname } = new URL(`${baseUrl}/chat/completions`);
  const head = [
    `POST ${pathname} HTTP/1.1`,
    `host: ${host}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
    `authorization: Bearer ${apiKey}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}${headEnd}`), body]);
}

/**
 * One keep-alive connection. It reads of a reply its status and where it ends, and nothing else: on two cores, what the load
 * costs the gateway does not get.
 */
class Connection {
  readonly #socket: Socket;
  #reply: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #head = '';
  /** Bytes of the body that are to come; undefined for a chunked one. */
  #left: number | undefined;
  #tail: Buffer = Buffer.alloc(0);

  constructor(baseUrl: string) {
    const { hostname, port } = new URL(baseUrl);
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    this.#socket.on('data', (bytes) => this.#read(bytes));
    this.#socket.on('error', (error) => this.#reply?.reject(error));
    this.#socket.on('close', () => this.#reply?.reject(new Error('the connection closed before the reply ended')));
  }

  call(request: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#reply = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#reply = undefined;
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    let body = bytes;
    if (!this.#head.endsWith(headEnd)) {
      const text = this.#head + bytes.toString('latin1');
      const end = text.indexOf(headEnd);
      if (end < 0) {
        this.#head = text;
        return;
      }
      body = bytes.subarray(end + headEnd.length - this.#head.length);
      this.#head = text.slice(0, end + headEnd.length);
      const length = /content-length: (\d+)/iu.exec(this.#head)?.[1];
      this.#left = length === undefined ? undefined : Number(length);
    }
    if (this.#left !== undefined) {
      this.#left -= body.length;
      if (this.#left === 0) this.#end();
      return;
    }
    this.#tail = Buffer.concat([this.#tail, body.subarray(-lastChunk.length)]).subarray(-lastChunk.length);
    if (this.#tail.equals(lastChunk)) this.#end();
  }

  #end(): void {
    const reply = this.#reply;
    const status = this.#head.slice(0, this.#head.indexOf('\r'));
    this.#reply = undefined;
    this.#head = '';
    this.#tail = Buffer.alloc(0);
    if (status === 'HTTP/1.1 200 OK') reply?.resolve();
    else reply?.reject(new Error(status));
  }
}

function percentile(sorted: readonly number[], share: number): number {
  return Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 100) / 100;
}

/** Sends a load to one server and measures it. */
export async function drive(load: Load): Promise<LoadResult> {
  const requests = load.targets.map((target) => requestBytes(target, load.body));
  const baseUrl = load.targets[0]?.baseUrl ?? '';
  const connections: Connection[] = [];
  const idle: Connection[] = [];
  const latencies: number[] = [];
  const startedAt = performance.now();
  let next = 0;
  const one = async (plannedAt: number): Promise<void> => {
    const connection = idle.pop() ?? new Connection(baseUrl);
    if (!connections.includes(connection)) connections.push(connection);
    await connection.call(requests[next++ % requests.length] as Buffer);
    idle.push(connection);
    latencies.push(performance.now() - plannedAt);
  };
  if (load.rate === undefined) {
    await Promise.all(
      Array.from({ length: load.concurrency }, async () => {
        while (next < load.calls) await one(performance.now());
      }),
    );
  } else {
    const running: Promise<void>[] = [];
    for (let index = 0; index < load.calls; index += 1) {
      const plannedAt = startedAt + (index * 1_000) / load.rate;
      const waitMs = plannedAt - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      running.push(one(performance.now()));
    }
    await Promise.all(running);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  for (const connection of connections) connection.close();
  const sorted = latencies.toSorted((a, b) => a - b);
  return {
    requestsPerSecond: Math.round(latencies.length / seconds),
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
  };
}
