import { isObject } from '../request/request-fields.ts';

/** Holds what one delta of a stream says of a tool call. Absent texts are empty. */
export interface ToolCallDelta {
  /** The index that the server gives the call; undefined where it gives none. */
  readonly index: number | undefined;
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

/** The call that a delta belongs to. */
export interface PlacedDelta {
  /** The number of the call in its message, from 0, in the order in which calls begin. */
  readonly number: number;
  /** True for the first delta of a call. */
  readonly isNew: boolean;
  /** What the delta adds to the call's name; empty where it only repeats the name. */
  readonly name: string;
}

interface BegunCall {
  readonly index: number | undefined;
  id: string;
  name: string;
  arguments: string;
}

/**
 * Tells which tool call each delta of a streamed message belongs to. Servers differ: some give every call the index 0, or none;
 * some repeat a call's id and name in each delta. So a delta with a name and an id that was not seen begins a call, whatever its
 * index; one without an id goes on with the newest call of its index, unless it names another function after arguments have come,
 * or the same one after they are whole.
 */
export class ToolCallOrder {
  readonly #calls: BegunCall[] = [];

  place(delta: ToolCallDelta): PlacedDelta {
    const number = this.#findCall(delta);
    const call = this.#calls[number];
    if (call === undefined) {
      this.#calls.push({ ...delta });
      return { number: this.#calls.length - 1, isNew: true, name: delta.name };
    }
    const name = delta.name === call.name ? '' : delta.name;
    if (call.id === '') call.id = delta.id;
    call.name += name;
    call.arguments += delta.arguments;
    return { number, isNew: false, name };
  }

  /** Returns the number of the call that a delta goes on with, or -1 when it begins one. */
  #findCall({ index, id, name }: ToolCallDelta): number {
    const newest = this.#calls.findLastIndex((call) => index === undefined || call.index === index);
    const call = this.#calls[newest];
    if (call === undefined) return -1;
    const known = id === '' ? -1 : this.#calls.findLastIndex((begun) => begun.id === id);
    if (known >= 0) return known;
    // Some servers make up another id for each delta: without a name none begins a call.
    if (name === '') return newest;
    if (id !== '' && call.id !== '') return -1;
    return call.arguments === '' || (name === call.name && !isWhole(call.arguments)) ? newest : -1;
  }
}

/** Reads the tool calls of a message or a delta. Several in one list without an index are several calls. */
export function readToolCalls(list: unknown): readonly ToolCallDelta[] {
  const entries: readonly unknown[] = Array.isArray(list) ? list : [];
  return entries.map((entry, position) => {
    const call = isObject(entry) ? entry : {};
    const called = isObject(call['function']) ? call['function'] : {};
    const given = call['index'];
    return {
      index: typeof given === 'number' ? given : entries.length > 1 ? position : undefined,
      id: textOf(call['id']),
      name: textOf(called['name']),
      arguments: textOf(called['arguments']),
    };
  });
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isWhole(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
