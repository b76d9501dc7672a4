/** Holds the variables of a part of a template. */
import { Undefined, type Value } from './values.ts';

/** The variables that are set in one part of a template, within those around it. */
export class Scope {
  readonly #variables = new Map<string, Value>();
  readonly #outer: Scope | undefined;

  constructor(outer?: Scope) {
    this.#outer = outer;
  }

  set(name: string, value: Value): void {
    this.#variables.set(name, value);
  }

  get(name: string): Value {
    const value = this.#variables.get(name);
    if (value !== undefined) return value;
    return this.#outer === undefined ? new Undefined(`'${name}' is undefined`) : this.#outer.get(name);
  }
}
