/** Makes a small data set in Spider's layout, for tests: two databases and a few questions. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const schemas: Readonly<Record<string, string>> = {
  pets: `
    CREATE TABLE owner (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE pet (id INTEGER PRIMARY KEY, owner_id INTEGER REFERENCES owner(id), kind TEXT, "weight kg" REAL);
    INSERT INTO owner VALUES (1, 'Ann'), (2, 'Ben'), (3, 'Cem');
    INSERT INTO pet VALUES (1, 1, 'cat', 4), (2, 1, 'dog', 20.5), (3, 2, 'cat', 5), (4, 2, 'cat', 5), (5, NULL, 'fish', 0.1);`,
  cars: `
    CREATE TABLE car (model TEXT, price INT);
    INSERT INTO car VALUES ('Foxer', 100), ('Jeton', 300), ('Boltix', 200);`,
};

const train = [
  ['pets', 'How many pets are there?', 'SELECT count(*) FROM pet'],
  ['pets', 'Which kinds of pet are there?', 'SELECT DISTINCT kind FROM pet'],
  ['cars', 'Which car is the most expensive?', 'SELECT model FROM car ORDER BY price DESC LIMIT 1'],
  [
    'pets',
    'Who owns a dog?',
    "SELECT T1.name FROM owner AS T1 JOIN pet AS T2 ON T1.id = T2.owner_id WHERE T2.kind = 'dog'",
  ],
] as const;
const dev = [
  ['cars', 'List all cars by price.', 'SELECT model, price FROM car ORDER BY price'],
  ['cars', 'How many cars are there?', 'SELECT count(*) FROM car'],
  ['pets', 'How many pets are there of each kind?', 'SELECT kind, count(*) FROM pet GROUP BY kind'],
  ['pets', 'Who has no pet?', 'SELECT name FROM owner WHERE id NOT IN (SELECT owner_id FROM pet WHERE owner_id > 0)'],
] as const;

/** Writes the data set as it is published: questions with further fields, `tables.json`, and the databases. */
export function writeSmallSpider(directory: string): void {
  for (const [name, sql] of Object.entries(schemas)) {
    mkdirSync(join(directory, 'database', name), { recursive: true });
    const database = new DatabaseSync(databaseFile(directory, name));
    database.exec(sql);
    database.close();
  }
  writeFileSync(join(directory, 'train_spider.json'), questionsAsJson(train));
  writeFileSync(join(directory, 'dev.json'), questionsAsJson(dev));
  writeFileSync(join(directory, 'tables.json'), JSON.stringify(Object.keys(schemas).map((db_id) => ({ db_id }))));
}

export function databaseFile(directory: string, name: string): string {
  return join(directory, 'database', name, `${name}.sqlite`);
}

function questionsAsJson(questions: readonly (readonly [database: string, question: string, query: string])[]): string {
  return JSON.stringify(
    questions.map(([db_id, question, query]) => ({ db_id, question, query, query_toks: query.split(' '), sql: {} })),
    null,
    2,
  );
}
