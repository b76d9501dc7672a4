import { check, type JsonValue } from '@agent-lightning/core';

/**
 * Returns a copy of the tasks as stores keep them and agents get them: plain JSON. Members that are undefined are left out.
 * @param option the option that the tasks were given as, such as `fit: train`
 * @throws {ConfigurationError} `option-invalid` that names the place, such as `dev: tasks[0].when`, for what JSON cannot hold
 */
export function toPlainTasks<Task>(option: string, tasks: readonly Task[]): readonly Task[] {
  return Array.from(tasks, (task, index) => toPlain(`${option}[${index}]`, task, []) as Task);
}

/** @param around the objects that the value is in, outermost first */
function toPlain(path: string, value: unknown, around: readonly object[]): JsonValue {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value + 0; // JSON has no −0
  if (typeof value !== 'object') throw invalid(path, value);
  if (around.includes(value))
    throw check.optionInvalid(path, 'an object that it is in itself', 'JSON, which has no circles');
  const inside = [...around, value];
  if (Array.isArray(value)) return Array.from(value, (item, index) => toPlain(`${path}[${index}]`, item, inside));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) throw invalid(path, value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(
    members.map(([name, member]) => [name, toPlain(`${path}.${name.slice(0, 60)}`, member, inside)]),
  );
}

function invalid(path: string, value: unknown): Error {
  const [shown, remedy] = describe(value);
  return check.optionInvalid(path, shown, `JSON: a string, number, boolean, null, array or plain object${remedy}`);
}

/** Returns what a value is, and what to give instead. */
function describe(value: unknown): readonly [shown: string, remedy: string] {
  if (typeof value === 'bigint') return [`${value}n, a BigInt`, ', such as a number, or String(…) of a BigInt'];
  if (typeof value !== 'object' || value === null) return [`${String(value)} (${typeof value})`, ''];
  if (value instanceof Date) return ['a Date', ', such as toISOString() of a Date'];
  if (value instanceof Map) return ['a Map', ', such as Object.fromEntries(…) of a Map'];
  if (value instanceof Set) return ['a Set', ', such as an array of what a Set holds'];
  return [
    `an instance of ${(value as { constructor?: { name?: string } }).constructor?.name ?? 'a class'}`,
    ', such as { ...value }',
  ];
}
