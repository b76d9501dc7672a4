import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** How a program ended, and the lines that it told. */
export interface ProgramEnd {
  readonly code: number | null;
  readonly signal: string | null;
  readonly lines: readonly string[];
}

/** Runs a program of this folder to its end, whichever that is. @param onLine may kill it */
export async function runProgram(
  program: string,
  args: readonly string[],
  onLine: (line: string, child: ChildProcess) => void = () => undefined,
  onStart: (child: ChildProcess) => void = () => undefined,
): Promise<ProgramEnd> {
  const flags = ['--conditions=@agent-lightning/source', '--disable-warning=ExperimentalWarning'];
  const child = spawn(process.execPath, [...flags, join(import.meta.dirname, program), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onStart(child);
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    onLine(line, child);
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { code, signal, lines };
}
