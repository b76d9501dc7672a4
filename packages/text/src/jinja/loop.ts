/** Makes the variable `loop` of a loop's turns. */
import { isEqual } from './operators.ts';
import { templateError } from './template-error.ts';
import { Callable, Namespace, orElse, Tuple, Undefined, type Value } from './values.ts';

/** Returns the function that makes `loop` for the turn of an index. */
export function createLoop(items: readonly Value[]): (index: number) => Namespace {
  const { length } = items;
  let last: Value | undefined;
  const changed = new Callable('changed', (positional) => {
    const value = new Tuple(positional);
    const isChanged = last === undefined || !isEqual(last, value);
    last = value;
    return isChanged;
  });
  return (index) =>
    new Namespace(
      new Map<string, Value>([
        ['index', BigInt(index + 1)],
        ['index0', BigInt(index)],
        ['revindex', BigInt(length - index)],
        ['revindex0', BigInt(length - index - 1)],
        ['first', index === 0],
        ['last', index === length - 1],
        ['length', BigInt(length)],
        ['depth', 1n],
        ['depth0', 0n],
        ['previtem', orElse(items[index - 1], new Undefined('there is no previous item'))],
        ['nextitem', orElse(items[index + 1], new Undefined('there is no next item'))],
        ['changed', changed],
        ['cycle', new Callable('cycle', (positional) => pickInTurn(positional, index))],
      ]),
    );
}

function pickInTurn(values: readonly Value[], index: number): Value {
  const value = values[index % values.length];
  if (value === undefined) throw templateError('no items for cycling given');
  return value;
}
