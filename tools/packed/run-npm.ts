import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * Runs npm by its own script where npm started this process, so that no shell is needed on Windows; returns what it printed. It leaves this
 * process free meanwhile, whose registry npm may ask.
 */
export async function runNpm(args: readonly string[], cwd: string): Promise<string> {
  const script = process.env['npm_execpath'];
  const [command, first] = script?.endsWith('.js') ? [process.execPath, [script]] : ['npm', []];
  const { stdout } = await promisify(execFile)(command, [...first, ...args], { cwd, maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}
