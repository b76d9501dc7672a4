import { execFile } from 'node:child_process';

/** The end of a program that was asked for its version or its like. */
export interface ProgramEnd {
  readonly output: string;
  /** Undefined when it ended well; else why not, such as `ENOENT` where there is no such program. */
  readonly error: string | undefined;
}

/** Runs a program for at most a minute and returns what it wrote on standard output. It does not throw. */
export async function runProgram(
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<ProgramEnd> {
  return await new Promise((resolve) => {
    execFile(program, args, { env: environment, timeout: 60_000, encoding: 'utf8' }, (error, output, complaints) => {
      const reason = error === null ? undefined : String(error.code ?? error.signal ?? error.message);
      resolve({ output, error: reason === undefined ? undefined : `${reason} ${complaints.trim()}`.trim() });
    });
  });
}
