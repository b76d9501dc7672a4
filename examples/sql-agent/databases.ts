/** Eight small SQLite databases of one table each: what the questions are about. */
import { DatabaseSync } from 'node:sqlite';
import { seededRandom } from '@agent-lightning/core';

import { hashText, shuffled } from '@agent-lightning/example-kit';

/** A text column with a handful of values that repeat. */
export interface CategoryColumn {
  readonly name: string;
  readonly values: readonly string[];
}

/** An integer column whose values are `from, from + step, …`, each in one row: so there is always one highest, and never a tie. */
export interface NumberColumn {
  readonly name: string;
  readonly from: number;
  readonly step: number;
}

export interface Table {
  /** The name of the database and of its table. */
  readonly name: string;
  /** The thing that one row describes, as a question says it. */
  readonly thing: string;
  /** The column that names a row, and the two halves that its values are put together from. */
  readonly key: { readonly name: string; readonly starts: readonly string[]; readonly ends: readonly string[] };
  readonly categories: readonly [CategoryColumn, CategoryColumn];
  readonly numbers: readonly [NumberColumn, NumberColumn];
}

/** Rows in each table. */
export const rowCount = 40;

const cities = ['Paris', 'Oslo', 'Rome', 'Lima', 'Cairo'];
const genres = ['drama', 'crime', 'comedy', 'horror', 'romance'];
const colors = ['red', 'blue', 'green', 'black', 'white'];
const people = {
  starts: ['Al', 'Be', 'Ca', 'Da', 'El', 'Ma', 'Ro', 'Sa'],
  ends: ['ra', 'lin', 'vid', 'na', 'mon'],
};
const titles = {
  starts: ['Night', 'Silver', 'Lost', 'Golden', 'Silent', 'Broken', 'Hidden', 'Winter'],
  ends: ['River', 'House', 'Road', 'Garden', 'Sea'],
};

export const tables: readonly Table[] = [
  {
    name: 'products',
    thing: 'product',
    key: {
      name: 'name',
      starts: ['Desk', 'Wall', 'Sun', 'Rain', 'Snow', 'Fire', 'Moon', 'Star'],
      ends: ['lamp', 'box', 'mat', 'cup', 'kit'],
    },
    categories: [
      { name: 'category', values: ['toys', 'books', 'sports', 'garden', 'music'] },
      { name: 'brand', values: ['Acme', 'Nova', 'Zeta', 'Orion', 'Delta'] },
    ],
    numbers: [
      { name: 'price', from: 50, step: 10 },
      { name: 'stock', from: 10, step: 2 },
    ],
  },
  {
    name: 'students',
    thing: 'student',
    key: { name: 'name', ...people },
    categories: [
      { name: 'city', values: cities },
      { name: 'course', values: ['math', 'art', 'law', 'biology', 'history'] },
    ],
    numbers: [
      { name: 'age', from: 15, step: 1 },
      { name: 'score', from: 20, step: 2 },
    ],
  },
  {
    name: 'books',
    thing: 'book',
    key: { name: 'title', ...titles },
    categories: [
      { name: 'genre', values: genres },
      { name: 'language', values: ['English', 'French', 'Dutch', 'Hindi', 'Arabic'] },
    ],
    numbers: [
      { name: 'pages', from: 100, step: 10 },
      { name: 'year', from: 1980, step: 1 },
    ],
  },
  {
    name: 'employees',
    thing: 'employee',
    key: { name: 'name', ...people },
    categories: [
      { name: 'department', values: ['sales', 'finance', 'design', 'legal', 'support'] },
      { name: 'city', values: cities },
    ],
    numbers: [
      { name: 'salary', from: 50, step: 10 },
      { name: 'age', from: 20, step: 1 },
    ],
  },
  {
    name: 'movies',
    thing: 'movie',
    key: { name: 'title', ...titles },
    categories: [
      { name: 'genre', values: genres },
      { name: 'studio', values: ['Apex', 'Lumen', 'Vista', 'Pine', 'Echo'] },
    ],
    numbers: [
      { name: 'rating', from: 20, step: 2 },
      { name: 'year', from: 1980, step: 1 },
    ],
  },
  {
    name: 'countries',
    thing: 'country',
    key: {
      name: 'name',
      starts: ['Nor', 'Sul', 'Est', 'Wes', 'Ber', 'Kal', 'Tor', 'Mir'],
      ends: ['land', 'ia', 'stan', 'ova', 'mark'],
    },
    categories: [
      { name: 'continent', values: ['Asia', 'Africa', 'Europe', 'America', 'Oceania'] },
      { name: 'language', values: ['English', 'French', 'Dutch', 'Hindi', 'Arabic'] },
    ],
    numbers: [
      { name: 'population', from: 10, step: 2 },
      { name: 'area', from: 50, step: 10 },
    ],
  },
  {
    name: 'cars',
    thing: 'car',
    key: {
      name: 'model',
      starts: ['Fox', 'Jet', 'Bolt', 'Wind', 'Storm', 'Comet', 'Swift', 'Hawk'],
      ends: ['er', 'on', 'ix', 'ara', 'ium'],
    },
    categories: [
      { name: 'color', values: colors },
      { name: 'fuel', values: ['petrol', 'diesel', 'hybrid', 'electric', 'gas'] },
    ],
    numbers: [
      { name: 'price', from: 100, step: 10 },
      { name: 'speed', from: 150, step: 2 },
    ],
  },
  {
    name: 'players',
    thing: 'player',
    key: { name: 'name', ...people },
    categories: [
      { name: 'team', values: ['Lions', 'Bears', 'Sharks', 'Eagles', 'Wolves'] },
      { name: 'position', values: ['goalie', 'defender', 'striker', 'winger', 'captain'] },
    ],
    numbers: [
      { name: 'goals', from: 5, step: 1 },
      { name: 'height', from: 160, step: 1 },
    ],
  },
];

const databases = new Map<string, DatabaseSync>();

/** The table of a database. @throws RangeError for a database that does not exist */
export function tableOf(database: string): Table {
  const table = tables.find(({ name }) => name === database);
  if (table === undefined) {
    throw new RangeError(`There is no database "${database}"; there are ${tables.map(({ name }) => name).join(', ')}.`);
  }
  return table;
}

/** A table's columns, in order. */
export function columnsOf(table: Table): readonly string[] {
  return [table.key.name, ...table.categories.map(({ name }) => name), ...table.numbers.map(({ name }) => name)];
}

/** The database's schema as a prompt shows it: `products(name, category, brand, price, stock)`. */
export function describeDatabase(database: string): string {
  return `${database}(${columnsOf(tableOf(database)).join(', ')})`;
}

/** The database, in memory, filled with the same rows in every process; opened once and shared. */
export function openDatabase(name: string): DatabaseSync {
  let database = databases.get(name);
  if (database === undefined) {
    database = createDatabase(tableOf(name));
    databases.set(name, database);
  }
  return database;
}

function createDatabase(table: Table): DatabaseSync {
  const database = new DatabaseSync(':memory:');
  const types = ['TEXT', 'TEXT', 'TEXT', 'INTEGER', 'INTEGER'];
  database.exec(
    `CREATE TABLE ${table.name} (${columnsOf(table)
      .map((name, i) => `${name} ${types[i]}`)
      .join(', ')})`,
  );
  const insert = database.prepare(`INSERT INTO ${table.name} VALUES (?, ?, ?, ?, ?)`);
  for (const row of createRows(table)) insert.run(...row);
  return database;
}

/** Every key once; categories at random; every number once, in random order. */
function createRows(table: Table): (string | number)[][] {
  const random = seededRandom(hashText(table.name));
  const keys = shuffled(
    table.key.starts.flatMap((start) => table.key.ends.map((end) => start + end)),
    random,
  );
  const categories = table.categories.map(({ values }) =>
    Array.from({ length: rowCount }, () => values[Math.floor(random() * values.length)] as string),
  );
  const numbers = table.numbers.map(({ from, step }) =>
    shuffled(
      Array.from({ length: rowCount }, (_, i) => from + i * step),
      random,
    ),
  );
  return keys
    .slice(0, rowCount)
    .map((key, i) => [
      key,
      ...categories.map((column) => column[i] as string),
      ...numbers.map((column) => column[i] as number),
    ]);
}
