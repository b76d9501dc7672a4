/** Reads the fields of a route's query: each is declared, and what is not declared is rejected by name. */

/** A field of a query, with the words that say what is right. */
export interface QueryField<Value> {
  readonly expected: string;
  /** Returns the value of a text; undefined for one that is wrong. */
  readonly read: (text: string) => Value | undefined;
  /** The value of a query without the field. */
  readonly absent: Value;
}

export type QueryFields = Readonly<Record<string, QueryField<unknown>>>;

/** The values of fields by their names. */
export type QueryValues<Fields extends QueryFields> = {
  readonly [Name in keyof Fields]: Fields[Name] extends QueryField<infer Value> ? Value : never;
};

/** A query that cannot be answered, and the field that is wrong. */
export interface QueryProblem {
  readonly field: string;
  readonly message: string;
}

/** Reads a query; returns its values, or the first field that is wrong. */
export function readQuery<Fields extends QueryFields>(
  fields: Fields,
  query: URLSearchParams,
): { readonly values: QueryValues<Fields> } | { readonly problem: QueryProblem } {
  const unknown = [...query.keys()].find((name) => !Object.hasOwn(fields, name));
  if (unknown !== undefined) {
    const known = Object.keys(fields);
    const list = known.length === 0 ? 'none' : known.join(', ');
    return {
      problem: { field: unknown, message: `${JSON.stringify(unknown)} is no field of this route; it has: ${list}` },
    };
  }
  const values: Record<string, unknown> = {};
  for (const [name, { expected, read, absent }] of Object.entries(fields)) {
    const texts = query.getAll(name);
    if (texts.length === 0) {
      values[name] = absent;
      continue;
    }
    const value = texts.length > 1 ? undefined : read(texts[0]!);
    if (value === undefined)
      return {
        problem: { field: name, message: `${name} is ${JSON.stringify(texts.join(' and '))}; give ${expected}` },
      };
    values[name] = value;
  }
  return { values: values as QueryValues<Fields> };
}

/** Declares a whole number. */
export function wholeNumber(least: number, most: number, absent: number): QueryField<number> {
  return {
    expected: `a whole number from ${least} to ${most}`,
    read: (text) =>
      /^\d{1,15}$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : undefined,
    absent,
  };
}

/** Declares a number that may be absent. */
export const anyNumber: QueryField<number | null> = {
  expected: 'a number such as 0.5',
  read: (text) => (text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : undefined),
  absent: null,
};

/** Declares one of some words; absent is the first of them. */
export function oneOf<Word extends string>(words: readonly [Word, ...Word[]]): QueryField<Word> {
  return {
    expected: `one of ${words.join(', ')}`,
    read: (text) => words.find((word) => word === text),
    absent: words[0],
  };
}

/** Declares a text of at most 200 characters. */
export const shortText: QueryField<string> = {
  expected: 'a text of 1 to 200 characters',
  read: (text) => (text.length > 0 && text.length <= 200 ? text : undefined),
  absent: '',
};

/** Declares steps, such as `7` or `3-12`. */
export const stepRange: QueryField<readonly [first: number, last: number] | null> = {
  expected: 'a step such as 7, or steps such as 3-12',
  read: (text) => {
    const [, first, last = first] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(text) ?? [];
    return first === undefined || Number(first) > Number(last) ? undefined : [Number(first), Number(last)];
  },
  absent: null,
};
