/** Translates optimizer parameters into the protocol's, and rejects one that the server would ignore. */
import { ConfigurationError, type AdamParameters, backendChecks } from '@agent-lightning/core';
import { adamFields, adamNames, type AdamField, type ServerTraits } from './server-kinds.ts';

/**
 * Returns the `adam_params` of `optim_step`. Fields that the server fixes are left out; they must have the server's value already.
 * @param serverAdam what the server's configuration fixes
 * @throws {ConfigurationError} `option-invalid` | `option-unsupported`, naming the field and both values
 */
export function toAdamParams(
  adam: AdamParameters,
  traits: ServerTraits,
  serverAdam: Readonly<Partial<Record<AdamField, number>>>,
): Readonly<Record<string, number>> {
  const resolved = backendChecks.adam(adam);
  const params: Record<string, number> = { [adamNames.learningRate]: resolved.learningRate };
  for (const field of adamFields) {
    const fixed = serverAdam[field];
    if (fixed === undefined) params[adamNames[field]] = resolved[field];
    else if (fixed !== resolved[field]) throw ignored(field, resolved[field], fixed, traits);
  }
  return params;
}

function ignored(field: AdamField, asked: number, fixed: number, traits: ServerTraits): ConfigurationError {
  return new ConfigurationError(
    `The optimizer's ${field} is ${asked}, and ${traits.title} would ignore it: its own configuration says ${fixed}. ` +
      `Train with ${field}: ${fixed}, or configure the server with ${asked} and say so by tinker({ serverAdam: { ${field}: ${asked} } }).`,
    { code: 'option-unsupported' },
  );
}
