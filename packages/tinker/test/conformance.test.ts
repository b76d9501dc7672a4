import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

/** How each fixture was recorded: see `exchange/record-exchange.ts`. */
const recordings = [
  { serverKind: 'worker', model: 'tiny' },
  { serverKind: 'skyrl', model: 'tiny-qwen3', contextLength: 96 },
] as const;

describe.each(recordings)('a recorded exchange with a $serverKind server', ({ serverKind, ...options }) => {
  it('is sent again as it was, and understood as it was', async () => {
    const fixture = await readFixture(serverKind);
    const replay = await startReplayServer(fixture);
    const log: string[] = [];
    const write = (line: string): void => void log.push(line);
    try {
      const backend = tinker({
        ...options,
        url: replay.url,
        serverKind,
        tokenizer: join(root, 'model'),
        apiKey: 'any',
        lora: { rank: 8 },
        logger: { info: write, warn: write, error: write },
      });
      const results = await exerciseBackend(backend, { directory: join(root, serverKind) });
      expect(replay.difference).toBeUndefined();
      expect(results).toEqual(fixture.results);
      expect(replay.left).toBe(0);
      if (serverKind === 'skyrl') expect(log.join('\n')).toContain('JAX backend');
    } finally {
      await replay.close();
    }
  });
});
