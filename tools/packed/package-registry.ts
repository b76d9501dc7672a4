import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';
import type { PackedPackage } from './pack-packages.ts';

/** A registry that has packed packages, and sends npm to another registry for all others. */
export interface PackageRegistry extends AsyncDisposable {
  /** The URL that npm takes as `registry`. */
  readonly url: string;
}

/** Serves the packages on a free port of this machine, so that `npm install NAME` takes them as if they were published. */
export async function servePackages(
  packages: readonly PackedPackage[],
  otherRegistry: string,
): Promise<PackageRegistry> {
  const byName = new Map(packages.map((packed) => [packed.manifest.name, packed]));
  const byFile = new Map(packages.map((packed) => [basename(packed.tarball), packed]));
  const server = createServer((request, response) => answer(request, response, { byName, byFile, otherRegistry }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: urlOf(server), [Symbol.asyncDispose]: () => close(server) };
}

interface Shelf {
  readonly byName: ReadonlyMap<string, PackedPackage>;
  readonly byFile: ReadonlyMap<string, PackedPackage>;
  readonly otherRegistry: string;
}

function answer(request: IncomingMessage, response: ServerResponse, shelf: Shelf): void {
  const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname).slice(1);
  const packed = shelf.byName.get(path);
  const file = path.startsWith('tarballs/') ? shelf.byFile.get(path.slice('tarballs/'.length)) : undefined;
  if (packed !== undefined) {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(describePackage(packed, `http://${request.headers.host}`)));
  } else if (file !== undefined) {
    response.end(readFileSync(file.tarball));
  } else {
    response.writeHead(307, { location: new URL(request.url ?? '/', shelf.otherRegistry).href }).end();
  }
}

/** Returns what a registry says of a package with this one version. */
function describePackage({ manifest, tarball }: PackedPackage, url: string): object {
  const integrity = `sha512-${createHash('sha512').update(readFileSync(tarball)).digest('base64')}`;
  const dist = { tarball: `${url}/tarballs/${basename(tarball)}`, integrity };
  const { name, version } = manifest;
  return { name, 'dist-tags': { latest: version }, versions: { [version]: { ...manifest, dist } } };
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
