/** Finds the program that serves vLLM. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Returns the environment that `npm run setup:vllm` makes in a checkout: a vLLM for the CPU. A bundle has none. */
function findCpuEnvironment(): string | undefined {
  const here: string | undefined = import.meta.url;
  return here === undefined ? undefined : fileURLToPath(new URL('../../.vllm/', here));
}

/**
 * Returns AGENT_LIGHTNING_VLLM, else, beside a worker on the CPU, what `npm run setup:vllm` makes in this package, else the `vllm` of
 * the PATH. On a GPU a vLLM for the CPU must not be taken by itself.
 */
export function findVllm(
  device: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
  directory: string | undefined = findCpuEnvironment(),
): string {
  const given = environment['AGENT_LIGHTNING_VLLM'];
  if (given !== undefined && given !== '') return given;
  const own = directory === undefined ? undefined : join(directory, 'bin', 'vllm');
  return device === 'cpu' && own !== undefined && existsSync(own) ? own : 'vllm';
}
