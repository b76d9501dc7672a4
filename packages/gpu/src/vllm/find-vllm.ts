/** Finds the program that serves vLLM. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The environment that `npm run setup:vllm` makes: a vLLM for the CPU. */
const cpuEnvironment: string = fileURLToPath(new URL('../../.vllm/', import.meta.url));

/**
 * Returns AGENT_LIGHTNING_VLLM, else, beside a worker on the CPU, what `npm run setup:vllm` makes in this package, else the `vllm` of
 * the PATH. On a GPU a vLLM for the CPU must not be taken by itself.
 */
export function findVllm(
  device: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
  directory: string = cpuEnvironment,
): string {
  const given = environment['AGENT_LIGHTNING_VLLM'];
  if (given !== undefined && given !== '') return given;
  const own = join(directory, 'bin', 'vllm');
  return device === 'cpu' && existsSync(own) ? own : 'vllm';
}
