import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What a proxy does to the bytes that pass. */
export interface Weather {
  /** The delay of each piece, in milliseconds. @default 0 */
  readonly delayMs?: number;
  /** True drops what passes without closing: both ends wait. @default false */
  readonly isSilent?: boolean;
}

/** Stands between a client and a server, and delays, cuts or drops what passes. */
export class TcpProxy {
  readonly #target: { readonly port: number; readonly host: string };
  readonly #server: Server;
  readonly #pairs: Set<readonly [Socket, Socket]> = new Set();
  /** Called with each piece of an answer; returning true cuts the connection instead of passing it. */
  onAnswer: (piece: Buffer) => boolean = () => false;
  weather: Weather = {};

  private constructor(target: { port: number; host: string }) {
    this.#target = target;
    this.#server = createServer((client) => this.#join(client));
  }

  /** @param listenHost the address of this machine at which clients reach the proxy */
  static async start(targetUrl: string, listenHost: string = '127.0.0.1'): Promise<TcpProxy> {
    const { hostname, port } = new URL(targetUrl);
    const proxy = new TcpProxy({ host: hostname, port: Number(port) });
    await new Promise<void>((resolve) => proxy.#server.listen(0, listenHost, resolve));
    return proxy;
  }

  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `http://${address}:${port}`;
  }

  /** Sends new connections elsewhere, as to a server that was started again on another port. */
  retarget(targetUrl: string): void {
    const { hostname, port } = new URL(targetUrl);
    Object.assign(this.#target, { host: hostname, port: Number(port) });
  }

  /** Cuts every connection. */
  cut(): void {
    for (const [client, server] of this.#pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(client: Socket): void {
    const server = connect(this.#target);
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    const end = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    client.on('data', (piece) => this.#pass(piece, server));
    server.on('data', (piece) => {
      if (this.onAnswer(piece)) end();
      else this.#pass(piece, client);
    });
  }

  #pass(piece: Buffer, to: Socket): void {
    const { delayMs = 0, isSilent = false } = this.weather;
    if (isSilent) return;
    if (delayMs === 0) to.write(piece);
    else setTimeout(() => to.destroyed || to.write(piece), delayMs);
  }
}
