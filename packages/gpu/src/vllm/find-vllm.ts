/** Finds the program that serves vLLM. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findVllmEnvironment, hasVllm, vllmProgram, type VllmBuild } from '../setup/vllm-environment.ts';

/** Returns the environment that `npm run setup:vllm` makes in a checkout: a vLLM for the CPU. A bundle has none. */
function findCpuEnvironment(): string | undefined {
  const here: string | undefined = import.meta.url;
  return here === undefined ? undefined : fileURLToPath(new URL('../../.vllm/', here));
}

/** The environments in which a vLLM may be; for tests. */
export interface VllmPlaces {
  /** A vLLM for the CPU in a checkout, which `npm run setup:vllm` makes. A bundle has none. */
  readonly checkout: string | undefined;
  /** What `agent-lightning setup-python --vllm` makes in the user's cache. */
  readonly cached: Readonly<Record<VllmBuild, string>>;
}

/**
 * Returns AGENT_LIGHTNING_VLLM, else what was set up for the device of the worker in a checkout or in the user's cache, else the `vllm` of the
 * PATH. On a GPU a vLLM for the CPU must not be taken by itself.
 */
export function findVllm(
  device: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
  { checkout, cached }: VllmPlaces = findPlaces(environment),
): string {
  const given = environment['AGENT_LIGHTNING_VLLM'];
  if (given !== undefined && given !== '') return given;
  if (device !== 'cpu') return hasVllm(cached.cuda) ? vllmProgram(cached.cuda) : 'vllm';
  if (checkout !== undefined && existsSync(vllmProgram(checkout))) return vllmProgram(checkout);
  return hasVllm(cached.cpu) ? vllmProgram(cached.cpu) : 'vllm';
}

function findPlaces(environment: NodeJS.ProcessEnv): VllmPlaces {
  const cached = { cpu: findVllmEnvironment('cpu', environment), cuda: findVllmEnvironment('cuda', environment) };
  return { checkout: findCpuEnvironment(), cached };
}
