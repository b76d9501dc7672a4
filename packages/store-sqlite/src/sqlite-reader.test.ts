import { DatabaseSync } from 'node:sqlite';
import type { SqlRow } from '@agent-lightning/store';
import { expect, it } from 'vitest';
import { migrate } from './schema.ts';
import { SqliteReader } from './sqlite-reader.ts';
import { Statements } from './statements.ts';

/** Answers with the plan of each statement instead of its records. */
class Plans extends Statements {
  readonly steps: string[] = [];

  override all(sql: string, ...values: Parameters<Statements['all']>[1][]): SqlRow[] {
    const rows = super.all(`EXPLAIN QUERY PLAN ${sql}`, ...values);
    this.steps.push(...rows.map((row) => String(row['detail'])));
    return [];
  }
}

it('finds what ended lately through its index, and not in the order in which it was queued', () => {
  using database = new DatabaseSync(':memory:');
  migrate(database, ':memory:');
  for (const query of [{}, { runId: 'r', order: 'desc' as const }, { groupId: 'g', cursor: '7' }]) {
    const plans = new Plans(database);
    new SqliteReader(plans).queryRollouts({ endedSinceMs: 1, order: 'asc', limit: 10, ...query });
    expect(plans.steps[0]).toMatch(/USING INDEX rollouts_ended \(ended_at_ms>\?\)/);
  }
});

it('finds the spans of a query through an index, whatever it asks for', () => {
  using database = new DatabaseSync(':memory:');
  migrate(database, ':memory:');
  const stepsOf = (query: object): readonly string[] => {
    const plans = new Plans(database);
    new SqliteReader(plans).querySpans({ rolloutIds: ['a'], ...query });
    return plans.steps.filter((step) => /^(SCAN|SEARCH) [sat]\b/.test(step));
  };
  const ids = { spanIds: ['0000000000000001'] };
  expect(stepsOf({})[0]).toMatch(/^SEARCH s USING INTEGER PRIMARY KEY \(rowid>\? AND rowid<\?\)/);
  for (const query of [
    ids,
    { ...ids, attemptId: 'latest' },
    { ...ids, name: 'x', kinds: ['agent'], includeTokens: true },
  ])
    expect(stepsOf(query).find((step) => / s\b/.test(step))).toMatch(
      /^SEARCH s USING INDEX spans_id \(<expr>=\? AND span_id=\?/,
    );
  const all = [{}, ids, { includeTokens: true }, { ...ids, attemptId: 'a', includeTokens: true }].flatMap(stepsOf);
  expect(all.filter((step) => step.startsWith('SCAN'))).toEqual([]);
});
