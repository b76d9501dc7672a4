/** The eight kinds of question that are asked about a table: how each is phrased, and which query answers it. */
import type { CategoryColumn, NumberColumn, Table } from './databases.ts';

export const kinds = ['equality', 'count', 'comparison', 'superlative', 'average', 'group', 'both', 'top'] as const;

export type QuestionKind = (typeof kinds)[number];

/** One question in all its forms: a query, and every phrasing of the question that it answers. */
export interface Meaning {
  readonly kind: QuestionKind;
  readonly gold: string;
  readonly phrasings: readonly string[];
}

interface Condition {
  readonly column: CategoryColumn;
  readonly value: string;
}

interface Bound {
  readonly column: NumberColumn;
  readonly operator: '>' | '<';
  readonly bound: number;
}

interface Extreme {
  readonly column: NumberColumn;
  readonly word: 'highest' | 'lowest';
  readonly direction: 'DESC' | 'ASC';
}

/** Everything that can be asked about a table, in a fixed order. */
export function meaningsOf(table: Table): readonly Meaning[] {
  const conditions = table.categories.flatMap((column) => column.values.map((value) => ({ column, value })));
  const bounds = table.numbers.flatMap(boundsOf);
  const extremes = table.numbers.flatMap(extremesOf);
  return [
    ...conditions.map((condition) => equality(table, condition)),
    ...conditions.map((condition) => count(table, condition)),
    ...bounds.map((bound) => comparison(table, bound)),
    ...extremes.flatMap((extreme) =>
      [undefined, ...conditions].map((condition) => superlative(table, extreme, condition)),
    ),
    ...table.numbers.flatMap((column) =>
      [undefined, ...conditions].map((condition) => average(table, column, condition)),
    ),
    ...table.categories.flatMap((column) => groups(table, column)),
    // all pairs would be most of all questions: each condition meets a third of the bounds
    ...conditions.flatMap((condition, i) =>
      bounds.filter((_, j) => (i + j) % 3 === 0).map((bound) => both(table, condition, bound)),
    ),
    ...extremes.flatMap((extreme) => [2, 3, 4, 5].map((n) => top(table, extreme, n))),
  ];
}

/** Seven round bounds inside the column's range, from both sides. */
function boundsOf(column: NumberColumn): readonly Bound[] {
  const bounds = [5, 10, 15, 20, 25, 30, 35].map((i) => column.from + i * column.step);
  return bounds.flatMap((bound) => [
    { column, operator: '>' as const, bound },
    { column, operator: '<' as const, bound },
  ]);
}

function extremesOf(column: NumberColumn): readonly Extreme[] {
  return [
    { column, word: 'highest', direction: 'DESC' },
    { column, word: 'lowest', direction: 'ASC' },
  ];
}

function equality({ name, thing, key }: Table, { column, value }: Condition): Meaning {
  return {
    kind: 'equality',
    gold: `SELECT ${key.name} FROM ${name} WHERE ${column.name} = '${value}'`,
    phrasings: [
      `Which ${name} have ${column.name} ${value}?`,
      `List the ${name} with ${column.name} ${value}.`,
      `Show each ${thing} whose ${column.name} is ${value}.`,
    ],
  };
}

function count({ name }: Table, { column, value }: Condition): Meaning {
  return {
    kind: 'count',
    gold: `SELECT COUNT(*) FROM ${name} WHERE ${column.name} = '${value}'`,
    phrasings: [
      `How many ${name} have ${column.name} ${value}?`,
      `Count the ${name} with ${column.name} ${value}.`,
      `What is the number of ${name} whose ${column.name} is ${value}?`,
    ],
  };
}

function comparison({ name, key }: Table, { column, operator, bound }: Bound): Meaning {
  const [over, above] = operator === '>' ? ['over', 'above'] : ['under', 'below'];
  return {
    kind: 'comparison',
    gold: `SELECT ${key.name} FROM ${name} WHERE ${column.name} ${operator} ${bound}`,
    phrasings: [
      `Which ${name} have ${column.name} ${over} ${bound}?`,
      `List the ${name} with ${column.name} ${above} ${bound}.`,
    ],
  };
}

function superlative(
  { name, thing, key }: Table,
  { column, word, direction }: Extreme,
  condition?: Condition,
): Meaning {
  const where = condition === undefined ? '' : ` WHERE ${condition.column.name} = '${condition.value}'`;
  const which = condition === undefined ? '' : ` with ${condition.column.name} ${condition.value}`;
  return {
    kind: 'superlative',
    gold: `SELECT ${key.name} FROM ${name}${where} ORDER BY ${column.name} ${direction} LIMIT 1`,
    phrasings: [
      `Which ${thing}${which} has the ${word} ${column.name}?`,
      `Name the ${thing}${which} of ${word} ${column.name}.`,
    ],
  };
}

function average({ name }: Table, column: NumberColumn, condition?: Condition): Meaning {
  const where = condition === undefined ? '' : ` WHERE ${condition.column.name} = '${condition.value}'`;
  const which = condition === undefined ? '' : ` with ${condition.column.name} ${condition.value}`;
  return {
    kind: 'average',
    gold: `SELECT AVG(${column.name}) FROM ${name}${where}`,
    phrasings: [
      `What is the average ${column.name} of ${name}${which}?`,
      `Show the mean ${column.name} of the ${name}${which}.`,
    ],
  };
}

function groups({ name, numbers }: Table, column: CategoryColumn): readonly Meaning[] {
  const group = (value: string, phrasings: readonly string[]): Meaning => ({
    kind: 'group',
    gold: `SELECT ${column.name}, ${value} FROM ${name} GROUP BY ${column.name}`,
    phrasings,
  });
  const each = `for each ${column.name}`;
  return [
    group('COUNT(*)', [
      `How many ${name} are there ${each}?`,
      `Count the ${name} ${each}.`,
      `What is the number of ${name} ${each}?`,
    ]),
    ...numbers.flatMap((number) => [
      group(`AVG(${number.name})`, [
        `What is the average ${number.name} of ${name} ${each}?`,
        `Show the mean ${number.name} of the ${name} ${each}.`,
      ]),
      group(`MAX(${number.name})`, [
        `What is the highest ${number.name} of ${name} ${each}?`,
        `Show the highest ${number.name} of the ${name} ${each}.`,
      ]),
    ]),
  ];
}

function both({ name, key }: Table, condition: Condition, { column, operator, bound }: Bound): Meaning {
  const over = operator === '>' ? 'over' : 'under';
  return {
    kind: 'both',
    gold: `SELECT ${key.name} FROM ${name} WHERE ${condition.column.name} = '${condition.value}' AND ${column.name} ${operator} ${bound}`,
    phrasings: [
      `Which ${name} have ${condition.column.name} ${condition.value} and ${column.name} ${over} ${bound}?`,
      `List the ${name} with ${condition.column.name} ${condition.value} and ${column.name} ${over} ${bound}.`,
    ],
  };
}

function top({ name, key }: Table, { column, word, direction }: Extreme, n: number): Meaning {
  return {
    kind: 'top',
    gold: `SELECT ${key.name} FROM ${name} ORDER BY ${column.name} ${direction} LIMIT ${n}`,
    phrasings: [
      `Which ${n} ${name} have the ${word} ${column.name}?`,
      `List the ${n} ${name} with the ${word} ${column.name}.`,
    ],
  };
}
