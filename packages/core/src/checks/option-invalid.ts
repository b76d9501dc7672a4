import { ConfigurationError } from '../errors.ts';
import { showValue } from '../show-value.ts';

/** Returns the error for an option that is not as `expected` says. */
export function optionInvalid(name: string, value: unknown, expected: string): ConfigurationError {
  return new ConfigurationError(
    `${name} must be ${expected}; got ${typeof value === 'string' ? value : showValue(value)}`,
    { code: 'option-invalid' },
  );
}
