/** Runs a program of the set-up to its end and hands on what it prints. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { BackendError, ConfigurationError, TimeoutError, type Logger } from '@agent-lightning/core';

export interface SetupCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** Says what it does, for messages. */
  readonly purpose: string;
  readonly logger: Logger;
  readonly signal: AbortSignal | undefined;
  readonly environment?: NodeJS.ProcessEnv;
}

/** The number of lines that an error shows. */
const shownLines = 15;

/**
 * @throws {ConfigurationError} `command-unavailable` when it cannot be started
 * @throws {BackendError} `command-failed` when it fails, with what it printed last
 * @throws {TimeoutError} `cancelled` by the signal
 */
export async function runCommand({
  command,
  args,
  purpose,
  logger,
  signal,
  environment = process.env,
}: SetupCommand): Promise<void> {
  const startedAtMs = performance.now();
  logger.info(`setup: ${purpose}`);
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment,
    windowsHide: true,
    signal,
  });
  const lines: string[] = [];
  for (const input of [child.stdout, child.stderr])
    createInterface({ input }).on('line', (line) => {
      if (line.trim() === '') return;
      lines.push(line);
      logger.info(`setup:   ${line}`);
    });
  const [code] = (await once(child, 'close').catch((cause: NodeJS.ErrnoException) => {
    if (signal?.aborted === true)
      throw new TimeoutError(`setup: ${purpose} was cancelled by its signal.`, { code: 'cancelled', cause });
    throw new ConfigurationError(`setup: ${purpose}: ${command} cannot be started (${cause.code ?? cause.message}).`, {
      code: 'command-unavailable',
      cause,
    });
  })) as [number | null];
  if (code !== 0) {
    const printed = lines.slice(-shownLines).join('\n');
    throw new BackendError(
      `setup: ${purpose} failed with code ${code}: ${command} ${args.join(' ')}\nIt printed last:\n${printed}`,
      { code: 'command-failed' },
    );
  }
  logger.info(`setup: ${purpose}: ${Math.round((performance.now() - startedAtMs) / 1_000)} s`);
}
