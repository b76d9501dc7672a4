import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { startDashboard, type Dashboard } from '@agent-lightning/dashboard';
import { ConfigurationError } from '@agent-lightning/core';
import {
  describePlace,
  findStore,
  openStore,
  type CheckableStore,
  type CommandPlace,
  type StorePlace,
} from '../../stored/open-store.ts';
import { defineCommand, runAs } from '../define-command.ts';
import { readWholeNumber } from '../read-number.ts';

interface DashboardCommandOptions {
  readonly port: number;
  readonly store?: string;
  readonly schema?: string;
}

/** The port of a command line without one. */
const usualPort = 4646;

/** Adds `dashboard`, which serves the pages of runs until Ctrl+C. */
export function addDashboardCommand(program: Command): void {
  const command = defineCommand(program, {
    usage: 'dashboard [place]',
    summary: 'show runs in the browser, while they go on and afterwards',
    details:
      'The place is a run directory, a folder of several, a project with runs/ in it, a file of SQLite, a postgres:// URL or the http:// address of a server (its key in AGENT_LIGHTNING_KEY); without one it is runs/ here. ' +
      'The pages are served to this machine only and load nothing from elsewhere. They change nothing, but for notes on rollouts, which are kept in ' +
      'the run directory: the second address that is printed has the key that lets you write them. Ctrl+C ends it. ' +
      'With --json the first line of standard output has the addresses too.',
    examples: [
      ['agent-lightning dashboard', 'every run in runs/'],
      ['agent-lightning dashboard runs/a --port 0', 'one run, on any free port'],
      ['agent-lightning dashboard runs --store postgres://…', 'runs that keep their rollouts in PostgreSQL'],
    ],
  })
    .option('--port <port>', 'the port on 127.0.0.1; 0 is any free one', readWholeNumber(0), usualPort)
    .option(
      '--store <store>',
      'the store of run directories without one: a file of SQLite, a postgres:// URL or the http:// address of a server',
    )
    .option('--schema <name>', 'the schema of a PostgreSQL store (default: agent_lightning)');
  runAs<DashboardCommandOptions>(command, async ({ options, arguments: [place], terminal, isJson }) => {
    const signal = terminal.interruption();
    const { dashboard, close, adminKey } = await openDashboard(place, terminal, options);
    const { url } = dashboard;
    const notesUrl = adminKey === undefined ? undefined : `${url}/#key=${adminKey}`;
    if (isJson) terminal.write(`${JSON.stringify({ event: 'listening', url, notesUrl })}\n`);
    else
      terminal.write(
        `dashboard: ${url} (Ctrl+C ends it)\n${notesUrl === undefined ? '' : `to write notes, open ${notesUrl}\n`}`,
      );
    if (!signal.aborted) await new Promise((done) => signal.addEventListener('abort', done, { once: true }));
    await close();
    return { json: { url, stopped: true } };
  });
}

interface OpenDashboard {
  readonly dashboard: Dashboard;
  readonly close: () => Promise<void>;
  /** The key that lets notes be written; undefined for a store alone, which has no place for them. */
  readonly adminKey?: string;
}

/** Serves what a place names: run directories as they are, or a store, which is opened for it. */
async function openDashboard(
  given: string | undefined,
  terminal: CommandPlace,
  { port, schema, store: other }: DashboardCommandOptions,
): Promise<OpenDashboard> {
  const { directory } = terminal;
  const place = given ?? findUsualPlace(directory);
  const path = resolve(directory, place);
  if ((schema === undefined || other !== undefined) && isFolderOfRuns(path)) {
    const adminKey = randomBytes(32).toString('base64url');
    if (other === undefined) {
      const dashboard = await startDashboard({ source: path, port, adminKey });
      return { dashboard, close: () => dashboard.close(), adminKey };
    }
    return await serveWith(findStore(other, terminal, schema), (opened) =>
      startDashboard({ source: path, store: opened, port, adminKey }),
    ).then((open) => ({ ...open, adminKey }));
  }
  if (other !== undefined)
    throw new ConfigurationError(`--store goes with a run directory or a folder of them; ${place} is a store itself`, {
      code: 'option-invalid',
    });
  const store = findStore(place, terminal, schema);
  return await serveWith(store, (opened) =>
    startDashboard({ source: { store: opened, title: describePlace(store) }, port }),
  );
}

/** Opens a store, and serves a dashboard with it; closing the dashboard closes the store. @throws {StoreError} where the store cannot be read, as with a wrong key */
async function serveWith(
  place: StorePlace,
  serve: (store: CheckableStore) => Promise<Dashboard>,
): Promise<OpenDashboard> {
  const opened = await openStore(place);
  try {
    await opened.queryRollouts({ limit: 1 }); // else every page would say what is wrong with it
    const dashboard = await serve(opened);
    return {
      dashboard,
      close: async () => {
        await dashboard.close();
        await opened.close();
      },
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** Returns `runs` where it is there; else this directory, which may be a run itself. */
function findUsualPlace(directory: string): string {
  return existsSync(join(directory, 'runs')) ? 'runs' : '.';
}

/** Tells a run directory or a folder of them from a folder that holds a store alone. */
function isFolderOfRuns(path: string): boolean {
  if (!existsSync(path) || !statSync(path).isDirectory()) return false;
  return existsSync(join(path, 'run.json')) || !existsSync(join(path, 'store.sqlite'));
}
