import type { Command } from 'commander';
import { toLogLine } from '@agent-lightning/server';
import { openServedStore } from '../../served/open-served-store.ts';
import { serveStore } from '../../served/serve-store.ts';
import { keyVariable } from '../../stored/open-store.ts';
import { defineCommand, runAs } from '../define-command.ts';
import { readDuration } from '../read-duration.ts';
import { readWholeNumber } from '../read-number.ts';

interface ServeCommandOptions {
  readonly host?: string;
  readonly port?: number;
  readonly allowedHost?: readonly string[];
  readonly publicUrl?: string;
  readonly keys?: string;
  readonly open?: boolean;
  readonly agentRewards?: boolean;
  readonly gateway?: string;
  readonly schema?: string;
  readonly keepEnded?: number;
  readonly drainMs: number;
  readonly watchdogDelayMs: number;
}

/** Adds `serve`, which shares a store with other machines. */
export function addServeCommand(program: Command): void {
  const command = defineCommand(program, {
    usage: 'serve <store>',
    summary: 'share a store with other machines over HTTP',
    details:
      'The store is a file of SQLite, which is made when it is not there, a run directory, or a postgres:// URL. Trainers and runners reach it with connectStore({ url, key }), or as the store of other commands. ' +
      'Writes its log as JSON Lines; serves /health and, with a key, /metrics for Prometheus. At Ctrl+C or SIGTERM it ends waits and finishes requests. ' +
      `Without --keys there is one key, of ${keyVariable} or made at the start and shown once on standard error. ` +
      'It listens on this machine only, unless --host says otherwise, which takes --keys.',
    examples: [
      ['agent-lightning serve runs.sqlite', 'share a file with programs of this machine'],
      [
        'agent-lightning serve postgres://db/lightning --host 0.0.0.0 --allowed-host store-1 --keys keys.json',
        'share a database with other machines, each with a key of its own (agent-lightning keys add)',
      ],
    ],
  })
    .option('--host <host>', 'the address to listen on (default: 127.0.0.1)')
    .option('--port <port>', 'the port to listen on; 0 is any free one (default: 4747)', readWholeNumber(0))
    .option('--allowed-host <names...>', 'names of this machine by which requests may reach it')
    .option('--public-url <url>', 'the address at which agents reach the gateway, when it differs')
    .option('--keys <file>', 'the file of the keys; made, with one key, when it is not there')
    .option('--open', 'let programs of this machine do everything without a key')
    .option('--agent-rewards', 'let agents write rewards to their own attempt')
    .option('--gateway <file>', 'serve a gateway on the same port: a file of JSON as for agent-lightning gateway')
    .option('--schema <name>', 'the schema of a PostgreSQL store (default: agent_lightning)')
    .option(
      '--keep-ended <time>',
      'delete rollouts that ended so long ago, such as 30d (default: keep all)',
      readDuration,
    )
    .option('--drain-ms <milliseconds>', 'the time that requests may still take at the end', readWholeNumber(0), 10_000)
    .option(
      '--watchdog-delay-ms <milliseconds>',
      'the time that runners have to come back before leases that ran out are taken',
      readWholeNumber(0),
      30_000,
    );
  runAs<ServeCommandOptions>(command, async ({ options, arguments: [name], terminal, logger }) => {
    const { allowedHost, open, agentRewards, schema, keepEnded, drainMs, ...given } = options;
    const { directory, environment } = terminal;
    const signal = terminal.interruption();
    const store = await openServedStore(name!, directory, {
      ...(schema !== undefined && { schema }),
      ...(keepEnded !== undefined && { keepEndedMs: keepEnded }),
    });
    try {
      const { server, newKey, stop } = await serveStore({
        ...given,
        store,
        directory,
        environment,
        allowedHosts: allowedHost ?? [],
        open: open === true,
        agentRewards: agentRewards === true,
        log: (entry) => terminal.write(toLogLine(entry)),
      });
      if (newKey !== undefined) logger.info(`the key of role admin, shown only now: ${newKey}`);
      if (open === true) logger.warn('every program of this machine can do everything without a key (--open)');
      if (agentRewards === true) logger.warn('agents say for themselves how good they were (--agent-rewards)');
      if (!signal.aborted) await new Promise((done) => signal.addEventListener('abort', done, { once: true }));
      await stop(drainMs);
      return { json: { url: server.url, stopped: true } };
    } finally {
      await store.close();
    }
  });
}
