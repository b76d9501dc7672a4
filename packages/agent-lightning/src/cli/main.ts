#!/usr/bin/env node
/** The command `agent-lightning`. */
import { runCommandLine } from './run-command-line.ts';

// A reader that has seen enough, such as `head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

const exitCode = await runCommandLine(process.argv.slice(2));
process.exitCode = exitCode;
// An agent may leave a socket or a timer open; what was printed is out before the process ends.
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)));
