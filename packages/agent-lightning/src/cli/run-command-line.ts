import { setFrame } from './define-command.ts';
import { exitCodes } from './exit-codes.ts';
import { allCommands, createProgram } from './program.ts';
import { tellError } from './tell-error.ts';
import { openTerminal, type Terminal } from './terminal.ts';

/**
 * Carries out one command line and returns its exit code. It never throws: an error is told on standard error, and with `--json` as
 * `{ "error": { "code", "message" } }` on standard output too.
 */
export async function runCommandLine(args: readonly string[], terminal: Terminal = openTerminal()): Promise<number> {
  const program = createProgram();
  let exitCode: number = exitCodes.ok;
  setFrame(program, { terminal, finish: (code) => (exitCode = code) });
  for (const command of [program, ...allCommands(program)])
    command.configureOutput({ writeOut: terminal.write, writeErr: terminal.complain });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return tellError(error, { args, program, terminal });
  }
}
