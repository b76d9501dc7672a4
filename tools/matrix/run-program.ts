import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface ProgramRun {
  /** The program of Node that runs it. @default this one */
  readonly node?: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The URL of the model server. */
  readonly baseUrl: string;
}

/** Returns the environment of a program that calls the model server of the matrix. */
export function environmentOf(baseUrl: string): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, ...inherited } = process.env;
  return {
    ...inherited,
    OPENAI_API_KEY: 'own-key',
    OPENAI_BASE_URL: baseUrl,
    OPENAI_AGENTS_DISABLE_TRACING: '1',
    NEXT_TELEMETRY_DISABLED: '1',
  };
}

/**
 * Runs a program of Node, and returns what it printed.
 * @throws {Error} with the end of what it printed when its exit code is not 0
 */
export async function runProgram({ node = process.execPath, args, cwd, baseUrl }: ProgramRun): Promise<string> {
  const options = { cwd, env: environmentOf(baseUrl), maxBuffer: 64 * 1024 * 1024 };
  try {
    const { stdout } = await promisify(execFile)(node, args, options);
    return stdout;
  } catch (error) {
    const {
      message,
      stdout = '',
      stderr = '',
    } = error as Error & { readonly stdout?: string; readonly stderr?: string };
    const printed = `${stdout}\n${stderr}`.trim().split('\n').slice(-12).join('\n');
    throw new Error(`${message.split('\n')[0]}\n${printed}`, { cause: error });
  }
}

/** Returns the object in the last line of what a program printed. */
export function readLastLine(output: string): unknown {
  return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '');
}
