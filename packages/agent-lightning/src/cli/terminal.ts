import { toTerminalText, type Logger } from '@agent-lightning/core';
import { Interrupt } from '@agent-lightning/run';

/** The things of a process that a command uses; tests give others. */
export interface Terminal {
  /** Writes text on standard output, without a line break of its own. */
  readonly write: (text: string) => void;
  /** Writes text on standard error, without a line break of its own. */
  readonly complain: (text: string) => void;
  readonly environment: NodeJS.ProcessEnv;
  /** The directory that relative paths of the command line are in. */
  readonly directory: string;
  /** Returns a signal that Ctrl+C aborts. A command that never asks for it ends at once by Ctrl+C. */
  readonly interruption: () => AbortSignal;
}

/** Returns the terminal of this process. */
export function openTerminal(): Terminal {
  let interruption: AbortSignal | undefined;
  return {
    write: (text) => void process.stdout.write(text),
    complain: (text) => void process.stderr.write(text),
    environment: process.env,
    directory: process.cwd(),
    interruption: () => (interruption ??= listenForInterruption()),
  };
}

/** Aborts at the first SIGINT or SIGTERM; the second one ends the process. One press of Ctrl+C may come twice, from the terminal and from a launcher. */
function listenForInterruption(): AbortSignal {
  const controller = new AbortController();
  new Interrupt({ signal: undefined, handleSignals: true, onInterrupt: (name) => controller.abort(name) });
  return controller.signal;
}

/** Returns a logger that writes lines on standard error, without what a terminal would obey. */
export function createTerminalLogger({ complain }: Pick<Terminal, 'complain'>): Logger {
  const line = (message: string): void => complain(`${toTerminalText(message)}\n`);
  return {
    info: line,
    warn: (message) => line(`warning: ${message}`),
    error: (message) => line(`error: ${message}`),
  };
}
