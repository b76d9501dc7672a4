import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Gateway, readStandaloneConfig } from '@agent-lightning/gateway';
import { KeyRing, startServer, type Server, type ServerLogEntry } from '@agent-lightning/server';
import type { LightningStore } from '@agent-lightning/core';
import { keyVariable } from '../stored/open-store.ts';

/** Asks for a server: its store, where it listens, and who may do what. */
export interface ServeRequest {
  readonly store: LightningStore;
  /** The folder that relative paths begin in. */
  readonly directory: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly host?: string;
  readonly port?: number;
  readonly allowedHosts: readonly string[];
  readonly publicUrl?: string;
  /** The file of the keys; it is made, with one key of role `admin`, when it is not there. */
  readonly keys?: string;
  readonly open: boolean;
  readonly agentRewards: boolean;
  readonly watchdogDelayMs: number;
  /** The file of a gateway's options, as for `agent-lightning gateway`. */
  readonly gateway?: string;
  readonly log: (entry: ServerLogEntry) => void;
}

/** A server that runs, with what was opened for it. */
export interface Serving {
  readonly server: Server;
  /** The key that was made because there was none; it is not kept anywhere. */
  readonly newKey: string | undefined;
  /** Ends the server, then the gateway. The store stays open. */
  stop(drainMs: number): Promise<void>;
}

/** Starts a server over a store, with keys and a gateway where they are asked for. */
export async function serveStore(request: ServeRequest): Promise<Serving> {
  const { keys, isNew } = await openKeys(request);
  const gateway = request.gateway === undefined ? undefined : await mountGateway(request, request.gateway);
  let server: Server | undefined;
  const stop = async (drainMs: number): Promise<void> => {
    await server?.close({ drainMs });
    await gateway?.close();
  };
  try {
    server = await startOver(request, keys, gateway);
    // Only now: the key of a start that failed would be in the file, and never shown.
    const added = isNew ? await keys.add({ role: 'admin', label: 'made by serve' }) : undefined;
    return { server, newKey: added?.key ?? server.adminKey, stop };
  } catch (error) {
    await stop(0);
    throw error;
  }
}

function startOver(request: ServeRequest, keys: KeyRing | undefined, gateway: Gateway | undefined): Promise<Server> {
  const { store, host, port, allowedHosts, publicUrl, open, agentRewards, watchdogDelayMs, log } = request;
  return startServer({
    store,
    allowedHosts,
    open,
    agentRewards,
    watchdogDelayMs,
    log,
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(publicUrl !== undefined && { publicUrl }),
    ...(keys !== undefined && { keys }),
    ...(gateway !== undefined && { gateway }),
  });
}

type Opened =
  | { readonly keys: KeyRing | undefined; readonly isNew: false }
  | { readonly keys: KeyRing; readonly isNew: true };

/** Opens the key file, and tells whether it is yet to be made. Without a file, the variable of the environment may hold the one key. */
async function openKeys({ keys: given, directory, environment, open }: ServeRequest): Promise<Opened> {
  const fromEnvironment = environment[keyVariable];
  if (given === undefined) {
    if (open || fromEnvironment === undefined || fromEnvironment === '') return { keys: undefined, isNew: false };
    const keys = new KeyRing();
    await keys.add({ role: 'admin', key: fromEnvironment, label: keyVariable });
    return { keys, isNew: false };
  }
  const file = resolve(directory, given);
  return { keys: new KeyRing({ file }), isNew: !existsSync(file) };
}

async function mountGateway({ store, directory, environment, log }: ServeRequest, file: string): Promise<Gateway> {
  // The store that the reader of a gateway's config asks for is the server's own.
  const flags = ['--config', resolve(directory, file), '--store', 'unused'];
  const config = (await readStandaloneConfig(flags, environment))!;
  // Options that the server has, such as host, are refused there.
  const gateway = Gateway.mount({ ...config.options, store, log });
  for (const [policy, { version, model, upstream }] of Object.entries(config.policies))
    gateway.publish(policy, { kind: 'openai', version, model, ...config.options.upstreams![upstream]! });
  return gateway;
}
