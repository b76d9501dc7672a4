#!/usr/bin/env -S node --v8-pool-size=0 --max-semi-space-size=2
import { toTerminalText } from '@agent-lightning/core';
import { toLogLine, type GatewayLogEntry } from './gateway-log.ts';
import { runStandalone } from './standalone/run-standalone.ts';
import { readStandaloneConfig, usage } from './standalone/standalone-config.ts';

function log(entry: GatewayLogEntry): void {
  process.stdout.write(toLogLine(entry));
}

function note(event: string, fields: Record<string, string>): void {
  log({ time: new Date().toISOString(), level: 'info', event, ...fields });
}

/** Starts a gateway and stops it at SIGTERM or SIGINT; a second signal does not wait for calls in flight. */
async function main(): Promise<void> {
  const config = await readStandaloneConfig(process.argv.slice(2), process.env);
  if (config === undefined) return void process.stdout.write(usage);
  const running = await runStandalone(config, log);
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1;
    if (signals > 1) process.exit(1);
    note('stopping', { signal });
    running.stop().then(
      () => {
        note('stopped', {});
        process.exit(0);
      },
      (error: unknown) => fail(error),
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  note('listening', { url: running.url });
}

function fail(error: unknown): void {
  process.stderr.write(`${toTerminalText(error instanceof Error ? error.message : String(error))}\n`);
  process.exit(1);
}

main().catch(fail);
