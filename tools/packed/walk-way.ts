import { exec } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Way } from './read-way.ts';

/** What came of a way. */
export interface Walk {
  /** The object that the last command, a training, printed with `--json`. */
  readonly result: TrainingOutcome;
  readonly minutes: number;
}

export interface WalkOptions {
  readonly folder: string;
  /** The URL that npm takes as `registry`. */
  readonly registry: string;
  /** Options that the document does not have, for the training. */
  readonly trainingOptions: readonly string[];
}

/** The parts of a training's result that are judged here; rewards and intervals are in units of reward. */
export interface TrainingOutcome {
  readonly steps: number;
  readonly verdict?: {
    readonly gain: number;
    readonly interval: readonly [low: number, high: number];
    readonly baseline: { readonly reward: number };
    readonly candidate: { readonly reward: number };
  };
}

/**
 * Writes the files of a way into an empty folder, and types its commands there, the last one with `--json` and the given options.
 * @throws {Error} when a command fails; its `stdout` and `stderr` are what it printed
 */
export async function walk(way: Way, { folder, registry, trainingOptions }: WalkOptions): Promise<Walk> {
  const startedAtMs = Date.now();
  const env = {
    ...process.env,
    // The keys that the frameworks want; no call goes to the makers of these models while an agent is trained.
    ANTHROPIC_API_KEY: 'not-used',
    OPENAI_API_KEY: 'not-used',
    PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
    npm_config_registry: registry,
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_update_notifier: 'false',
  };
  for (const { name, content } of way.files) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  let output = '';
  for (const [index, command] of way.commands.entries()) {
    const line = index === way.commands.length - 1 ? [command, ...trainingOptions, '--json'].join(' ') : command;
    console.log(`  $ ${line}`);
    ({ stdout: output } = await promisify(exec)(line, { cwd: folder, env, maxBuffer: 256 * 1024 * 1024 }));
  }
  const result = JSON.parse(output.trimEnd().split('\n').at(-1) ?? '') as TrainingOutcome;
  return { result, minutes: (Date.now() - startedAtMs) / 60_000 };
}
