/** Gives the arguments of a call their names. */
import { templateError } from './template-error.ts';
import type { Value } from './values.ts';

/**
 * Returns the arguments in the order of `names`; those that were not given are undefined.
 *
 * @param callee names what is called in errors
 */
export function bindArguments(
  callee: string,
  names: readonly string[],
  positional: readonly Value[],
  named: ReadonlyMap<string, Value>,
): readonly (Value | undefined)[] {
  if (positional.length > names.length)
    throw templateError(`${callee}() takes at most ${names.length} arguments, and ${positional.length} were given`);
  for (const name of named.keys()) {
    const at = names.indexOf(name);
    if (at < 0) throw templateError(`${callee}() got an unexpected keyword argument '${name}'`);
    if (at < positional.length) throw templateError(`${callee}() got multiple values for argument '${name}'`);
  }
  return names.map((name, index) => (index < positional.length ? positional[index] : named.get(name)));
}

/** Returns an argument that must be given. */
export function requireArgument(callee: string, name: string, value: Value | undefined): Value {
  if (value === undefined) throw templateError(`${callee}() is missing its argument '${name}'`);
  return value;
}
