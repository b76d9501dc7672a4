import type { Transaction } from './transaction.ts';

/** Reads how many tokens a record of `tokens` holds: two little-endian words at its start, of the prompt and of the response. The rest stays unread. */
const tokensOfRecord = [0, 4]
  .flatMap((at) =>
    [0, 1, 2, 3].map((byte) => `(get_byte(substring(packed FROM 1 FOR 8), ${at + byte})::bigint << ${8 * byte})`),
  )
  .join(' + ');

/** Each statement counts the records that contradict others. PostgreSQL checks its own pages; this checks what the store keeps in them. */
const contradictions: Readonly<Record<string, string>> = {
  'rollouts without a task': 'SELECT FROM rollouts r LEFT JOIN tasks t USING (ordinal) WHERE t.ordinal IS NULL',
  'tasks without a rollout': 'SELECT FROM tasks t LEFT JOIN rollouts r USING (ordinal) WHERE r.ordinal IS NULL',
  'attempts without a rollout': 'SELECT FROM attempts a LEFT JOIN rollouts r USING (ordinal) WHERE r.ordinal IS NULL',
  'rollouts with another number of attempts than they say': `SELECT FROM rollouts r LEFT JOIN attempts a USING (ordinal)
    GROUP BY r.ordinal, r.attempt_count HAVING count(a.ordinal) <> r.attempt_count OR max(a.attempt_number) <> r.attempt_count`,
  'rollouts with another number of spans than they say': `SELECT FROM rollouts r LEFT JOIN spans s USING (ordinal)
    GROUP BY r.ordinal, r.last_sequence_id HAVING count(s.ordinal) <> r.last_sequence_id OR max(s.sequence_id) <> r.last_sequence_id`,
  'spans without an attempt':
    'SELECT FROM spans s LEFT JOIN attempts a USING (ordinal, attempt_number) WHERE a.ordinal IS NULL',
  'rollouts with another number of tokens than they say': `SELECT FROM rollouts r
    LEFT JOIN (SELECT ordinal, sum(${tokensOfRecord}) AS total FROM tokens GROUP BY ordinal) k USING (ordinal)
    WHERE coalesce(k.total, 0) <> r.token_count`,
  'tokens without a span':
    'SELECT FROM tokens k LEFT JOIN spans s USING (ordinal, sequence_id) WHERE s.ordinal IS NULL',
  'counts that are not those of the records': `
    SELECT FROM (SELECT name, sum(total) AS total FROM counts GROUP BY name) kept
    FULL JOIN (
      SELECT 'rollouts:' || status AS name, count(*) AS total FROM rollouts GROUP BY status
      UNION ALL SELECT 'attempts:' || status, count(*) FROM attempts GROUP BY status
      UNION ALL SELECT 'spans', count(*) FROM spans
      UNION ALL SELECT 'tokens', coalesce(sum(${tokensOfRecord}), 0) FROM tokens
    ) counted USING (name) WHERE coalesce(kept.total, 0) <> coalesce(counted.total, 0)`,
  'rollouts or events beyond the last position': `SELECT FROM positions p WHERE p.event < (SELECT max(cursor) FROM events)
    OR p.rollout < (SELECT max(ordinal) FROM rollouts)`,
};

export async function findContradictions(transaction: Transaction): Promise<readonly string[]> {
  const problems: string[] = [];
  transaction.send('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  for (const [problem, sql] of Object.entries(contradictions)) {
    const [row] = await transaction.query(`SELECT count(*) AS total FROM (${sql}) AS found`);
    if (row?.['total'] !== 0) problems.push(`${String(row?.['total'])} ${problem}`);
  }
  transaction.send('COMMIT');
  await transaction.settle();
  return problems;
}
