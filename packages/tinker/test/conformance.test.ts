import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tinker } from '../src/index.ts';
import { createTinyCheckpoint } from '../../embedded/test/tiny-checkpoint.ts';
import type { ExchangeFixture } from './exchange/exchange-fixture.ts';
import { exerciseBackend } from './exchange/exercise-backend.ts';
import { startReplayServer } from './exchange/replay-server.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tinker-conformance-'));
  await createTinyCheckpoint(join(root, 'model'));
});
afterAll(() => rm(root, { recursive: true }));

async function readFixture(name: string): Promise<ExchangeFixture> {
  return JSON.parse(await readFile(new URL(`__fixtures__/${name}.json`, import.meta.url), 'utf8')) as ExchangeFixture;
}

const sqlModel = fileURLToPath(new URL('../../../examples/sql-agent/model', import.meta.url));

/** How each fixture was recorded: see `exchange/record-exchange.ts`. */
const recordings = [
  { name: 'worker', serverKind: 'worker', model: 'tiny' },
  { name: 'skyrl', serverKind: 'skyrl', model: 'tiny-qwen3', contextLength: 96 }, // 0.3.0, which speaks JSON
  { name: 'skyrl-0.4', serverKind: 'skyrl', model: 'tiny-sql', directory: sqlModel }, // 0.4.0, which speaks protobuf
] as const;

describe.each(recordings)('a recorded exchange with a server: $name', ({ name, serverKind, ...others }) => {
  it('is sent again as it was, and understood as it was', async () => {
    const { directory: tokenizer, ...options } = { directory: join(root, 'model'), ...others };
    const fixture = await readFixture(name);
    const replay = await startReplayServer(fixture);
    const log: string[] = [];
    const write = (line: string): void => void log.push(line);
    try {
      const backend = tinker({
        ...options,
        url: replay.url,
        serverKind,
        tokenizer,
        apiKey: 'any',
        lora: { rank: 8 },
        logger: { info: write, warn: write, error: write },
      });
      const results = await exerciseBackend(backend, { directory: join(root, name) });
      expect(replay.difference).toBeUndefined();
      expect(results).toEqual(fixture.results);
      expect(replay.left).toBe(0);
      if (serverKind === 'skyrl') expect(log.join('\n')).toContain('JAX backend');
      expect(log.join('\n').includes('stay on the server')).toBe(name === 'skyrl'); // 0.4.0 deletes them
    } finally {
      await replay.close();
    }
  });
});
