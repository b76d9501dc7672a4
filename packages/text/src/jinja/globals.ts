/** Provides the functions that transformers gives to templates. */
import { bindArguments, requireArgument } from './arguments.ts';
import { lackingError, templateError } from './template-error.ts';
import { formatDate } from './format-date.ts';
import { generationFunction } from './syntax.ts';
import { toText } from './text-form.ts';
import {
  Callable,
  itemsOf,
  keyOf,
  Namespace,
  orElse,
  requireCount,
  requireText,
  type Mapping,
  type Value,
} from './values.ts';

/** The most items of a range: Jinja's own limit. */
const longestRange = 100_000;

/**
 * Returns the functions by name.
 *
 * @param raise throws the error that a template raises itself
 * @param now the time that `strftime_now` shows
 */
export function createGlobals(raise: (message: string) => never, now: () => Date): ReadonlyMap<string, Value> {
  const functions = [
    new Callable('range', (positional) => range(positional)),
    new Callable('namespace', (positional, named) => createNamespace(positional, named)),
    new Callable('dict', (positional, named) => createMapping('dict', positional, named)),
    new Callable('raise_exception', (positional, named) =>
      raise(toText(orElse(bindArguments('raise_exception', ['message'], positional, named)[0], ''))),
    ),
    new Callable('strftime_now', (positional, named) => {
      const [format] = bindArguments('strftime_now', ['format'], positional, named);
      return formatDate(now(), requireText(requireArgument('strftime_now', 'format', format), 'format'));
    }),
    new Callable(generationFunction, (_positional, named) => {
      const body = named.get('caller');
      return body instanceof Callable ? body.call([], new Map()) : '';
    }),
    ...['cycler', 'joiner', 'lipsum'].map(
      (name) =>
        new Callable(name, () => {
          throw lackingError(`the function ${name}`);
        }),
    ),
  ];
  return new Map(functions.map((callable) => [callable.name, callable]));
}

function range(positional: readonly Value[]): Value {
  const [first, second, third = 1n] = positional;
  const given = requireCount(requireArgument('range', 'stop', first), 'a bound of range()');
  const [start, stop] = second === undefined ? [0, given] : [given, requireCount(second, 'a bound of range()')];
  const step = requireCount(third, 'the step of range()');
  if (step === 0) throw templateError('range() arg 3 must not be zero');
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (length > longestRange)
    throw templateError(`Range too big. The sandbox blocks ranges larger than ${longestRange}`);
  return Array.from({ length }, (_, index) => BigInt(start + index * step));
}

function createNamespace(positional: readonly Value[], named: ReadonlyMap<string, Value>): Namespace {
  const fields = [...createMapping('namespace', positional, named)].map(
    ([key, value]) => [requireText(key, 'a name in a namespace'), value] as const,
  );
  return new Namespace(new Map(fields));
}

function createMapping(callee: string, positional: readonly Value[], named: ReadonlyMap<string, Value>): Mapping {
  const [source, ...more] = positional;
  if (more.length > 0) throw templateError(`${callee}() takes one argument without a name, not ${positional.length}`);
  const mapping: Mapping = new Map(source instanceof Map ? source : readPairs(source));
  for (const [name, value] of named) mapping.set(name, value);
  return mapping;
}

function readPairs(source: Value | undefined): Mapping {
  const entries = source === undefined ? [] : itemsOf(source).map(itemsOf);
  if (entries.some((entry) => entry.length !== 2)) throw templateError('a mapping is made of pairs');
  return new Map(entries.map(([key, value]) => [keyOf(orElse(key, null)), orElse(value, null)]));
}
