import { runCommandLine } from '../src/cli/run-command-line.ts';

/** The end of a command that ran in this process. */
export interface CommandEnd {
  readonly exitCode: number;
  /** The text on standard output. */
  readonly output: string;
  /** The text on standard error. */
  readonly complaints: string;
  /** The object of the last line of standard output. */
  readonly json: () => Readonly<Record<string, unknown>>;
}

/** Runs a command line in this process. */
export async function runInProcess(
  args: readonly string[],
  {
    directory = process.cwd(),
    environment = {},
    signal = new AbortController().signal,
  }: {
    readonly directory?: string;
    readonly environment?: NodeJS.ProcessEnv;
    readonly signal?: AbortSignal;
  } = {},
): Promise<CommandEnd> {
  let [output, complaints] = ['', ''];
  const exitCode = await runCommandLine(args, {
    write: (text) => void (output += text),
    complain: (text) => void (complaints += text),
    environment,
    directory,
    interruption: () => signal,
  });
  return {
    exitCode,
    output,
    complaints,
    json: () => JSON.parse(output.trimEnd().split('\n').at(-1)!) as Readonly<Record<string, unknown>>,
  };
}
