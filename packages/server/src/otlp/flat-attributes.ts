import type { JsonValue } from '@agent-lightning/core';
import { setMember, type AnyAttributes, type AnyValue } from './trace-export.ts';

/** The most messages or tool calls of one list that was flattened into attributes. */
const mostItems = 10_000;

/**
 * Returns the value that dotted attributes below `prefix` hold, such as `gen_ai.prompt.0.role`: an object whose keys are "0" to "n-1" is
 * a list. Undefined when there is none.
 */
export function unflatten(attributes: AnyAttributes, prefix: string): JsonValue | undefined {
  const root = new Map<string, unknown>();
  const beginning = `${prefix}.`;
  for (const name of Object.keys(attributes)) {
    if (!name.startsWith(beginning)) continue;
    const value = attributes[name] ?? null;
    if (value === null) continue;
    const path = name.slice(beginning.length).split('.');
    if (path.length > 16) continue;
    put(root, path, value);
  }
  return root.size === 0 ? undefined : (toValue(root) as JsonValue);
}

function put(into: Map<string, unknown>, path: readonly string[], value: AnyValue): void {
  let at = into;
  for (const [index, key] of path.entries()) {
    if (index === path.length - 1) at.set(key, value);
    else {
      const next = at.get(key);
      const below = next instanceof Map ? (next as Map<string, unknown>) : new Map<string, unknown>();
      at.set(key, below);
      at = below;
    }
  }
}

function toValue(value: unknown): unknown {
  if (!(value instanceof Map)) return value;
  const members = value as ReadonlyMap<string, unknown>;
  return toList(members) ?? toObject(members);
}

/** Returns the items of members whose keys are "0" to "n-1"; undefined for others. */
function toList(members: ReadonlyMap<string, unknown>): readonly unknown[] | undefined {
  if (members.size > mostItems) return undefined;
  const items: unknown[] = [];
  for (let index = 0; index < members.size; index++) {
    const item = members.get(String(index));
    if (item === undefined) return undefined;
    items.push(item);
  }
  return items.map(toValue);
}

function toObject(members: ReadonlyMap<string, unknown>): Readonly<Record<string, unknown>> {
  const object: Record<string, unknown> = {};
  for (const [key, item] of members) setMember(object, key, toValue(item));
  return object;
}

/** Returns the text of an attribute; undefined where it is none or empty. */
export function textAt(attributes: AnyAttributes, ...names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = attributes[name];
    if (typeof value === 'string' && value !== '') return value;
  }
  return undefined;
}
