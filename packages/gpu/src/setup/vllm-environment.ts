/** Where the environments with vLLM are. A vLLM for the CPU and one for a GPU are two environments. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findCacheDirectory } from '@agent-lightning/platform';

/** The version that is installed; docs/vllm.md says on which the tests ran. */
export const vllmVersion = '0.32.0';

/** The kind of machine that a vLLM is built for. */
export type VllmBuild = 'cpu' | 'cuda';

/** Returns the directory in the user's cache for an environment with vLLM. */
export function findVllmEnvironment(build: VllmBuild, environment: NodeJS.ProcessEnv = process.env): string {
  return join(findCacheDirectory(environment), `vllm-${build}-${vllmVersion}`);
}

/** Returns the path of the program in an environment. */
export function vllmProgram(directory: string): string {
  return join(directory, 'bin', 'vllm');
}

/** Returns the path of the file that an environment has once it was made to its end. */
export function vllmStampFile(directory: string): string {
  return join(directory, 'agent-lightning.complete');
}

/** Tells whether an environment was made to its end. */
export function hasVllm(directory: string): boolean {
  return existsSync(vllmStampFile(directory)) && existsSync(vllmProgram(directory));
}
