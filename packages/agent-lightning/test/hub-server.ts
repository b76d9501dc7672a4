import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

/** The routes of the Hugging Face hub that a download uses, over the files of a folder. */
export interface HubServer {
  readonly url: string;
  /** `METHOD path range` of each request so far, the range where one was asked for. */
  readonly requests: readonly string[];
  /** Ends the connection after so many bytes of the next reply with more, and calls the function before. */
  cutAfter(bytes: number, afterwards?: () => void): void;
  /** Breaks every connection until `comeBack`. */
  goAway(): void;
  comeBack(): void;
  /** Leaves the next request whose path matches without an answer, and calls the function. */
  stall(path: RegExp, onRequest: () => void): void;
  /** Lists a file with another size than it has. */
  claim(path: string, sizeBytes: number): void;
  /** Serves other bytes for a file than its digest says, once. */
  spoil(path: string): void;
  close(): Promise<void>;
}

export const commit = '0123456789abcdef0123456789abcdef01234567';

/** Serves `org/tiny`, which is open, and `org/gated`, which asks for the token `hf_secret`. Files of weights are large files, on another path. */
export async function startHubServer(
  folder: string,
  others: Readonly<Record<string, string>> = {},
): Promise<HubServer> {
  const contents = new Map<string, Buffer>(Object.entries(others).map(([name, text]) => [name, Buffer.from(text)]));
  for (const name of readdirSync(folder)) contents.set(name, readFileSync(join(folder, name)));
  const requests: string[] = [];
  let cut: { readonly bytes: number; readonly afterwards: (() => void) | undefined } | undefined;
  let isAway = false;
  const spoiled = new Set<string>();
  const claimed = new Map<string, number>();
  let stalled: { readonly path: RegExp; readonly onRequest: () => void } | undefined;

  function sendContent(path: string, request: IncomingMessage, response: ServerResponse): void {
    const whole = contents.get(path)!;
    const [, from = '0', to = String(whole.length - 1)] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const isProbe = from === '0' && to === '0';
    let part = whole.subarray(Number(from), Number(to || whole.length - 1) + 1);
    if (!isProbe && spoiled.delete(path)) part = Buffer.alloc(part.length, 1);
    response.writeHead(206, {
      'content-range': `bytes ${from}-${Number(from) + part.length - 1}/${whole.length}`,
      'content-length': part.length,
      etag: `"${path}"`,
    });
    if (cut === undefined || isProbe || part.length <= cut.bytes) return void response.end(part);
    const { bytes, afterwards } = cut;
    cut = undefined;
    response.write(part.subarray(0, bytes), () => {
      afterwards?.();
      response.destroy();
    });
  }

  const server = createServer((request, response) => {
    if (isAway) return void response.destroy();
    const url = new URL(request.url!, 'http://hub');
    requests.push([request.method, url.pathname, request.headers.range ?? ''].join(' ').trim());
    if (stalled?.path.test(url.pathname)) {
      stalled.onRequest();
      return void (stalled = undefined);
    }
    const json = (status: number, value: unknown, headers: Record<string, string> = {}): void =>
      void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
    const [, large] = /^\/cdn\/(.+)$/.exec(url.pathname) ?? [];
    if (large !== undefined) return sendContent(large, request, response);
    const [, api, resolved] = /^\/api\/models\/(org\/\w+)\/|^\/(org\/\w+)\/resolve\//.exec(url.pathname) ?? [];
    const repository = api ?? resolved;
    if (repository === 'org/gated' && request.headers.authorization !== 'Bearer hf_secret')
      return json(401, { error: 'gated' });
    if (repository !== 'org/tiny' && repository !== 'org/gated') return json(404, { error: 'Repository not found' });
    if (url.pathname.endsWith('/revision/main')) return json(200, { _id: '1', id: repository, sha: commit });
    if (url.pathname.endsWith(`/tree/${commit}`)) return sendTree(url, json);
    const [, path] = new RegExp(`/resolve/${commit}/(.+)$`).exec(url.pathname) ?? [];
    if (path === undefined || !contents.has(path)) return json(404, { error: 'Revision not found' });
    if (isLarge(path)) return void response.writeHead(302, { location: `/cdn/${path}` }).end();
    sendContent(path, request, response);
  });

  /** Lists two files a page. */
  function sendTree(url: URL, json: (status: number, value: unknown, headers?: Record<string, string>) => void): void {
    const names = [...contents.keys()];
    const start = Number(url.searchParams.get('cursor') ?? 0);
    const next = new URL(url);
    next.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    next.searchParams.set('cursor', String(start + 2));
    const page = names.slice(start, start + 2).map((path) => toEntry(path, contents.get(path)!, claimed.get(path)));
    json(200, page, start + 2 < names.length ? { link: `<${next.href}>; rel="next"` } : {});
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    cutAfter: (bytes, afterwards) => void (cut = { bytes, afterwards }),
    goAway: () => void (isAway = true),
    comeBack: () => void (isAway = false),
    stall: (path, onRequest) => void (stalled = { path, onRequest }),
    claim: (path, sizeBytes) => void claimed.set(path, sizeBytes),
    spoil: (path) => void spoiled.add(path),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function isLarge(path: string): boolean {
  return path.endsWith('.safetensors');
}

function toEntry(path: string, content: Buffer, sizeBytes = content.length): object {
  const git = (bytes: Buffer): string =>
    createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
  const sha256 = createHash('sha256').update(content).digest('hex');
  const pointer = Buffer.from(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${content.length}\n`,
  );
  if (!isLarge(path)) return { type: 'file', path, size: sizeBytes, oid: git(content) };
  const lfs = { oid: sha256, size: sizeBytes, pointerSize: pointer.length };
  return { type: 'file', path, size: content.length, oid: git(pointer), lfs };
}
