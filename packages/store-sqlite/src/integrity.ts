import type { DatabaseSync } from 'node:sqlite';

/** Counts the records again, by the names of `counters`. */
const recounted = `
  SELECT 'rollouts:' || status AS name, count(*) AS value FROM rollouts GROUP BY status
  UNION ALL SELECT 'attempts:' || status, count(*) FROM attempts GROUP BY status
  UNION ALL SELECT 'resources', count(*) FROM resources
  UNION ALL SELECT 'spans', count(*) FROM spans
  UNION ALL SELECT 'tokens', coalesce(sum(token_count), 0) FROM tokens`;

/** Returns the kept counts, which `statistics` reads, that are not those of the records. */
export function findWrongCounts(database: DatabaseSync): readonly string[] {
  const isCount = `(name LIKE 'rollouts:%' OR name LIKE 'attempts:%' OR name IN ('resources', 'spans', 'tokens'))`;
  return database
    .prepare(
      `WITH kept AS (SELECT name, value FROM counters WHERE ${isCount}), counted AS (${recounted})
       SELECT name, coalesce(kept.value, 0) AS kept, coalesce(counted.value, 0) AS counted
       FROM kept FULL JOIN counted USING (name) WHERE coalesce(kept.value, 0) <> coalesce(counted.value, 0) ORDER BY name`,
    )
    .all()
    .map(
      ({ name, kept, counted }) =>
        `the count of ${String(name)} says ${String(kept)}, and there are ${String(counted)}`,
    );
}
