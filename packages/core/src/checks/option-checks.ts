import { ConfigurationError } from '../errors.ts';

/** The value, when it is a whole number from `min` to `max`. @throws {ConfigurationError} `option-invalid` */
export function wholeNumber(name: string, value: number, min = 1, max: number = Number.MAX_SAFE_INTEGER): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw optionInvalid(
    name,
    value,
    max === Number.MAX_SAFE_INTEGER ? `a whole number from ${min}` : `a whole number from ${min} to ${max}`,
  );
}

/** The value, when it is finite and above 0 (or 0, where that is allowed). @throws {ConfigurationError} `option-invalid` */
export function positive(name: string, value: number, options: { readonly orZero?: boolean } = {}): number {
  const isLargeEnough = options.orZero === true ? value >= 0 : value > 0;
  if (Number.isFinite(value) && isLargeEnough) return value;
  throw optionInvalid(
    name,
    value,
    options.orZero === true ? 'a finite number of at least 0' : 'a finite number above 0',
  );
}

/** The value, when it is in [0, 1). @throws {ConfigurationError} `option-invalid` */
export function unitInterval(name: string, value: number): number {
  if (value >= 0 && value < 1) return value;
  throw optionInvalid(name, value, 'a number from 0 to below 1');
}

/** The value, when it is one of `allowed`. @throws {ConfigurationError} `option-invalid` */
export function oneOf<const Value extends string>(name: string, value: Value, allowed: readonly Value[]): Value {
  if (allowed.includes(value)) return value;
  throw optionInvalid(name, JSON.stringify(value), `one of ${allowed.join(', ')}`);
}

/** The error for an option that is not as `expected` says. */
export function optionInvalid(name: string, value: unknown, expected: string): ConfigurationError {
  return new ConfigurationError(`${name} must be ${expected}; got ${String(value)}`, { code: 'option-invalid' });
}
