import { ConfigurationError } from '../errors.ts';

/** Returns the error for an option that is not as `expected` says. */
export function optionInvalid(name: string, value: unknown, expected: string): ConfigurationError {
  return new ConfigurationError(`${name} must be ${expected}; got ${String(value)}`, { code: 'option-invalid' });
}
