import { adamDefaults, ConfigurationError, type BackendCapabilities } from '@agent-lightning/core';
import type { ResolvedTrainerOptions } from './trainer-options.ts';

/** What the backend can do, when it can do what the algorithm asks for. @throws {ConfigurationError} `option-unsupported` */
export async function checkCapabilities<Task>({
  backend,
  algorithm,
}: ResolvedTrainerOptions<Task>): Promise<BackendCapabilities> {
  const capabilities = await backend.capabilities();
  if (!capabilities.losses.includes(algorithm.loss.name)) {
    throw new ConfigurationError(
      `the backend ${backend.name} cannot train with the loss '${algorithm.loss.name}'; give grpo({ loss }) one of ${capabilities.losses.join(', ')}`,
      { code: 'option-unsupported' },
    );
  }
  const given = { ...adamDefaults, ...algorithm.adam };
  for (const [field, fixed] of Object.entries(capabilities.fixedAdam ?? {})) {
    const asked = given[field as keyof typeof given];
    if (asked === fixed) continue;
    throw new ConfigurationError(
      `the backend ${backend.name} would ignore ${field} ${asked}: its server's configuration says ${fixed}; give grpo({ ${field}: ${fixed} }), or change the server's and tell the backend`,
      { code: 'option-unsupported' },
    );
  }
  return capabilities;
}
