/** The PyTorch process beside the benchmark, driven round by round. */
import { spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Workload } from './workload.ts';

export interface TorchRounds {
  /** Versions, for the report. */
  readonly description: string;
  /** Tokens per second of one round. */
  round(kind: 'train' | 'sample'): Promise<number>;
  close(): void;
}

/** Starts PyTorch in the python of `PYTHON`, else python3; undefined where that has no torch. */
export async function startTorch(workload: Workload): Promise<TorchRounds | undefined> {
  const python = process.env['PYTHON'] ?? 'python3';
  if (spawnSync(python, ['-c', 'import torch'], { stdio: 'ignore' }).status !== 0) return undefined;
  const script = fileURLToPath(new URL('torch_rounds.py', import.meta.url));
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(python, [script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (line: string): Promise<string> => {
    child.stdin.write(`${line}\n`);
    const answer = await lines.next();
    if (answer.done === true)
      throw new TypeError(
        `${python} ${script} ended before it answered "${line.slice(0, 20)}"; run it by hand to see why.`,
      );
    return answer.value;
  };
  const { torch, sampler } = JSON.parse(await ask(JSON.stringify(workload))) as { torch: string; sampler: string };
  return {
    description: `PyTorch ${torch}, sampling by ${sampler}`,
    round: async (kind) => Number(await ask(kind)),
    close: () => child.stdin.end(),
  };
}
