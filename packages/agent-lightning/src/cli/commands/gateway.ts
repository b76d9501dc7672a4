import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { readStandaloneConfig, runStandalone, toLogLine, type StandaloneConfig } from '@agent-lightning/gateway';
import { defineCommand, runAs } from '../define-command.ts';
import { readWholeNumber } from '../read-number.ts';

interface GatewayCommandOptions {
  readonly config: string;
  readonly store?: string;
  readonly host?: string;
  readonly port?: number;
  readonly drainMs?: number;
}

/** Adds `gateway`, which runs a gateway as a process of its own. */
export function addGatewayCommand(program: Command): void {
  const command = defineCommand(program, {
    usage: 'gateway',
    summary: 'run a gateway as a process of its own',
    details:
      'Sends model calls to the policy and captures their tokens; writes its log as JSON Lines. At Ctrl+C or SIGTERM it lets calls in flight finish and stores what was captured. The file of --config is described in the README of @agent-lightning/gateway.',
    examples: [
      [
        'agent-lightning gateway --config gateway.json --store runs.sqlite --port 4000',
        'a gateway over a store in a file',
      ],
    ],
  })
    .requiredOption('--config <file>', 'a file of JSON with upstreams, policies and options')
    .option('--store <file>', 'a store in a file of SQLite; without it the store that the config names')
    .option('--host <host>', 'the address to listen on (default: 127.0.0.1)')
    .option('--port <port>', 'the port to listen on (default: a free one)', readWholeNumber(0))
    .option(
      '--drain-ms <milliseconds>',
      'the time that calls in flight may still take (default: 30000)',
      readWholeNumber(0),
    );
  runAs<GatewayCommandOptions>(command, async ({ options, terminal }) => {
    const { config, store, host, port, drainMs } = options;
    const flags = Object.entries({
      '--config': resolve(terminal.directory, config),
      '--store': store === undefined ? undefined : resolve(terminal.directory, store),
      '--host': host,
      '--port': port,
      '--drain-ms': drainMs,
    }).flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]));
    const signal = terminal.interruption();
    const read = await readStandaloneConfig(flags, terminal.environment);
    let events = 0;
    const running = await runStandalone(withOwnSqlite(read!), (entry) => {
      events += 1;
      terminal.write(toLogLine(entry));
    });
    terminal.write(toLogLine({ time: new Date().toISOString(), level: 'info', event: 'listening', url: running.url }));
    await aborted(signal);
    await running.stop();
    return { json: { url: running.url, stopped: true, events } };
  });
}

const sqlite = '@agent-lightning/store-sqlite';

/** Takes the store that this package depends on: the gateway depends on none, and may not find one. */
function withOwnSqlite(config: StandaloneConfig): StandaloneConfig {
  if (config.store.module !== sqlite) return config;
  const module = pathToFileURL(createRequire(import.meta.url).resolve(sqlite)).href;
  return { ...config, store: { ...config.store, module } };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((done) => signal.addEventListener('abort', done, { once: true }));
}
