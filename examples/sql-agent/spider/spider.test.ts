import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import type { QuestionSet } from '../question-set.ts';
import { databaseFile, writeSmallSpider } from './small-spider.ts';
import { openSpider } from './spider.ts';

let directory: string;
let spider: QuestionSet;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'spider-'));
  writeSmallSpider(directory);
  spider = await openSpider(directory, { processes: 2 });
});
afterAll(() => {
  spider[Symbol.dispose]();
  rmSync(directory, { recursive: true, force: true });
});

const endless = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n';
const goldOf = (text: string) => [...spider.train, ...spider.validation].find(({ question }) => question === text)!;

/** Opens a copy of the data set that a test changes. */
async function withCopy(change: (copy: string) => void, use: (copy: string) => Promise<void>): Promise<void> {
  const copy = mkdtempSync(join(tmpdir(), 'spider-copy-'));
  try {
    writeSmallSpider(copy);
    change(copy);
    await use(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('the Spider data set', () => {
  it('is read from its published layout', () => {
    expect(spider.train).toHaveLength(4);
    expect(spider.validation[0]).toEqual({
      kind: 'one table',
      database: 'cars',
      question: 'List all cars by price.',
      gold: 'SELECT model, price FROM car ORDER BY price',
    });
    expect(spider.validation.map(({ kind }) => kind)).toEqual(['one table', 'one table', 'grouped', 'nested']);
  });

  it('tells the schema, with its keys', () => {
    expect(spider.databases.instructions('pets')).toBe(
      [
        'Write one SQLite query that answers the question. Reply with the query only.\n',
        'owner(id INTEGER, name TEXT)',
        'pet(id INTEGER, owner_id INTEGER, kind TEXT, "weight kg" REAL)',
        'pet.owner_id = owner.id',
      ].join('\n'),
    );
  });

  it('is rejected where a file is missing or wrong', async () => {
    await expect(openSpider(join(directory, 'database'))).rejects.toThrow(
      /database has none of train_spider\.parquet, train_/,
    );
    await withCopy(
      (copy) => rmSync(databaseFile(copy, 'cars')),
      (copy) => expect(openSpider(copy)).rejects.toThrow(/1 of 2 databases are missing in .*cars\.sqlite/),
    );
    const escaping = JSON.stringify([{ db_id: '../../secret', question: 'q', query: 'SELECT 1' }]);
    await withCopy(
      (copy) => writeFileSync(join(copy, 'dev.json'), escaping),
      (copy) =>
        expect(openSpider(copy)).rejects.toThrow(/dev\.json, record 1: .*db_id "\.\.\/\.\.\/secret" is not the name/),
    );
  });
});

describe('the reward', () => {
  it('is 1 for each gold query', async () => {
    for (const question of [...spider.train, ...spider.validation])
      expect(await spider.reward(question, question.gold), question.question).toBe(1);
  });

  it.each([
    ['How many pets are there?', 'SELECT 5', 1],
    ['How many pets are there?', 'SELECT 5.0;', 1],
    ['How many pets are there?', "SELECT '5'", 0],
    ['Which kinds of pet are there?', 'SELECT kind FROM pet', 1], // DISTINCT does not count
    ['List all cars by price.', 'SELECT price, model FROM car ORDER BY price', 1],
    ['List all cars by price.', 'SELECT model, price FROM car', 0],
    ['How many pets are there of each kind?', 'SELECT count(*), kind FROM pet GROUP BY kind ORDER BY 1', 1],
    ['How many pets are there of each kind?', 'SELECT kind, count(*) FROM pet GROUP BY owner_id', 0],
    ['Who owns a dog?', 'SELECT nme FROM owner', 0],
    ['Who owns a dog?', '', 0],
    ['Who owns a dog?', "SELECT 'Ann'; DROP TABLE owner", 0],
  ])('of %j for %j is %i', async (question, query, expected) => {
    expect(await spider.reward(goldOf(question), query)).toBe(expected);
  });

  it('is 0 for a query that must be right on every database of a test suite, and is not', () =>
    withCopy(
      (copy) => {
        const other = join(copy, 'database', 'cars', 'cars_2.sqlite');
        copyFileSync(databaseFile(copy, 'cars'), other);
        const database = new DatabaseSync(other);
        database.exec("INSERT INTO car VALUES ('Windara', 900)");
        database.close();
      },
      async (copy) => {
        using suite = await openSpider(copy, { processes: 1 });
        const question = goldOf('How many cars are there?');
        expect(await suite.reward(question, 'SELECT 3')).toBe(0);
        expect(await suite.reward(question, 'SELECT count(model) FROM car')).toBe(1);
      },
    ));

  it('fails, and is not 0, where the gold query does', async () => {
    const broken = { ...goldOf('How many cars are there?'), gold: 'SELECT count(*) FROM trucks' };
    await expect(spider.reward(broken, 'SELECT 3')).rejects.toMatchObject({
      code: 'tasks-invalid',
      message: expect.stringMatching(/gold query "SELECT count.*no such table: trucks/),
    });
  });
});

describe('a query of the model', () => {
  it.each([
    'DELETE FROM car',
    "INSERT INTO car VALUES ('x', 1)",
    'DROP TABLE car',
    'PRAGMA query_only = 0',
    "ATTACH 'other.db' AS other",
    "SELECT writefile('x', 'y')",
    'VACUUM',
  ])('cannot change a database: %s', async (sql) => {
    const before = readFileSync(databaseFile(directory, 'cars'));
    expect((await spider.databases.run('cars', sql)).error).toMatch(
      /not authorized|authorization denied|no such function/,
    );
    expect(readFileSync(databaseFile(directory, 'cars')).equals(before)).toBe(true);
  });

  it('gives its rows, a hundred at most', async () => {
    expect(await spider.databases.run('cars', "SELECT max(price), x'ff', 9007199254740993 FROM car")).toEqual({
      rows: [[300, "x'ff'", 9007199254740993n]],
      hasMore: false,
    });
    const many = await spider.databases.run('cars', 'SELECT 1 FROM car a, car b, car c, car d, car e');
    expect([many.rows?.length, many.hasMore]).toEqual([100, true]);
  });

  it('is stopped when it takes too long, and others go on', async () => {
    using slow = await openSpider(directory, { processes: 1, timeLimitMs: 1000 });
    const [late, next] = await Promise.all([
      slow.databases.run('cars', endless),
      slow.databases.run('cars', 'SELECT count(*) FROM car'),
    ]);
    expect(late.error).toBe('it ran longer than 1000 ms');
    expect(next.rows).toEqual([[3]]);
    expect(await slow.reward(goldOf('How many cars are there?'), endless)).toBe(0);
    await expect(slow.reward({ ...goldOf('How many cars are there?'), gold: endless }, 'SELECT 1')).rejects.toThrow(
      /gold query .* ran longer than 1000 ms/,
    );
  });

  it('ends with the process that asked for it, even while SQLite is busy', async () => {
    const program = `
      const child = require('node:child_process').fork(process.argv[1], { serialization: 'advanced' });
      child.once('message', () => console.log(String(child.pid))); // a number may be coloured
      child.on('exit', (code, signal) => console.log('the query process ended with', code, signal));
      child.send({ kind: 'run', file: process.argv[2], sql: process.argv[3], maxRows: 1 });`;
    const file = join(import.meta.dirname, 'query-process.ts');
    const parent = spawn(process.execPath, ['-e', program, file, databaseFile(directory, 'cars'), endless]);
    const printed = String((await once(parent.stdout, 'data'))[0]);
    expect(printed).toMatch(/^\d+\n$/);
    const pid = Number(printed);
    expect(isRunning(pid)).toBe(true);
    parent.kill('SIGKILL');
    await vi.waitUntil(() => !isRunning(pid), { timeout: 120_000 });
  });

  it('cannot make a text without end', async () => {
    expect((await spider.databases.run('cars', 'SELECT zeroblob(1000000000)')).error).toMatch(/too big/);
  });

  it('answers in order of arrival, however many come at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => spider.databases.run(i % 2 === 0 ? 'cars' : 'pets', `SELECT ${i}`)),
    );
    expect(answers.map(({ rows }) => rows?.[0]?.[0])).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });
});
