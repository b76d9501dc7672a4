import { DatabaseSync, type StatementSync } from 'node:sqlite';

const spansPerRollout = 10;
const tokensPerSpan = 1_000;

/**
 * What a store costs that writes each row in a transaction of its own and tokens as JSON: the same rollouts and spans,
 * the same file format and durability, no queue, no leases, no checks.
 */
export function measureNaiveWriter(
  path: string,
  durability: 'full' | 'normal',
  rollouts: number,
): { readonly rolloutsPerSecond: number } {
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durability.toUpperCase()};
    CREATE TABLE rollouts (id TEXT PRIMARY KEY, input TEXT, status TEXT);
    CREATE TABLE spans (rollout_id TEXT, span_id TEXT, body TEXT, PRIMARY KEY (rollout_id, span_id))`);
  const statements = prepare(database);
  const startMs = performance.now();
  for (let number = 0; number < rollouts; number++) liveOnce(statements, `r${number}`);
  const seconds = (performance.now() - startMs) / 1_000;
  database.close();
  return { rolloutsPerSecond: Math.round((rollouts / seconds) * 10) / 10 };
}

type Statements = Readonly<Record<'enqueue' | 'setStatus' | 'addSpan' | 'readSpans', StatementSync>>;

function prepare(database: DatabaseSync): Statements {
  return {
    enqueue: database.prepare('INSERT INTO rollouts VALUES (?, ?, ?)'),
    setStatus: database.prepare('UPDATE rollouts SET status = ? WHERE id = ?'),
    addSpan: database.prepare('INSERT INTO spans VALUES (?, ?, ?)'),
    readSpans: database.prepare('SELECT body FROM spans WHERE rollout_id = ?'),
  };
}

function liveOnce({ enqueue, setStatus, addSpan, readSpans }: Statements, rolloutId: string): void {
  enqueue.run(rolloutId, '{"question":"How many singers are older than the average singer?"}', 'queuing');
  setStatus.run('running', rolloutId);
  const text = 'How many singers are older than the average singer? '.repeat(20);
  const tokens = Array.from({ length: tokensPerSpan }, (_, index) => index);
  const logprobs = Array.from({ length: tokensPerSpan / 5 }, () => -0.5);
  for (let number = 0; number < spansPerRollout; number++)
    addSpan.run(rolloutId, String(number), JSON.stringify({ text, tokens, logprobs }));
  addSpan.run(rolloutId, 'reward', '{"reward":1}');
  setStatus.run('succeeded', rolloutId);
  for (const row of readSpans.all(rolloutId)) JSON.parse(row['body'] as string);
}
