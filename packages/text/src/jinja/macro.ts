/** Makes macros callable. */
import { evaluate } from './evaluate.ts';
import { Scope } from './scope.ts';
import type { Parameter, Statement } from './syntax.ts';
import { templateError } from './template-error.ts';
import { Callable, orElse, Tuple, Undefined, type Value } from './values.ts';

/** Names that a macro has when it mentions them: further arguments without and with a name, and the block of a call. */
const special = ['varargs', 'kwargs', 'caller'] as const;

/**
 * Makes a macro, whose body sees the variables around its definition.
 *
 * @param print returns what statements print
 */
export function createMacro(
  name: string,
  parameters: readonly Parameter[],
  body: readonly Statement[],
  outer: Scope,
  print: (statements: readonly Statement[], scope: Scope) => string,
): Callable {
  const mentioned = new Set(special.filter((word) => mentions(body, word)));
  return new Callable(name, (positional, named) => {
    const scope = new Scope(outer);
    const rest = new Map(named);
    bindParameters(parameters, positional, rest, scope);
    if (mentioned.has('caller')) {
      scope.set('caller', orElse(rest.get('caller'), new Undefined('No caller defined')));
      rest.delete('caller');
    }
    const extra = positional.slice(parameters.length);
    if (mentioned.has('varargs')) scope.set('varargs', new Tuple(extra));
    else if (extra.length > 0)
      throw templateError(`macro '${name}' takes not more than ${parameters.length} argument(s)`);
    if (mentioned.has('kwargs')) scope.set('kwargs', new Map(rest));
    else if (rest.size > 0)
      throw templateError(`macro '${name}' takes no keyword argument '${[...rest.keys()].join("', '")}'`);
    return print(body, scope);
  });
}

/** Gives the parameters their values, and takes those out of `named` that it used. Defaults see the parameters before them. */
function bindParameters(
  parameters: readonly Parameter[],
  positional: readonly Value[],
  named: Map<string, Value>,
  scope: Scope,
): void {
  for (const [index, parameter] of parameters.entries()) {
    const name = parameter.type === 'Identifier' ? parameter.value : parameter.key.value;
    const isPositional = index < positional.length;
    const given = isPositional ? positional[index] : named.get(name);
    if (!isPositional) named.delete(name);
    scope.set(name, orElse(given, new Undefined(`parameter '${name}' was not provided`)));
    if (given === undefined && parameter.type !== 'Identifier') scope.set(name, evaluate(parameter.value, scope));
  }
}

/** Tells whether statements use a name. */
function mentions(node: unknown, name: string): boolean {
  if (Array.isArray(node)) return node.some((item) => mentions(item, name));
  if (node instanceof Map) return [...node].some((entry) => mentions(entry, name));
  if (typeof node !== 'object' || node === null) return false;
  const { type, value } = node as { readonly type?: unknown; readonly value?: unknown };
  if (type === 'Identifier') return value === name;
  return Object.values(node).some((child) => mentions(child, name));
}
