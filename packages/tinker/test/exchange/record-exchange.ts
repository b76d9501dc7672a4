/**
 * Records what our client and a Tinker-style server say to each other, as a fixture for the conformance tests.
 *
 *     node --conditions=@agent-lightning/source packages/tinker/test/exchange/record-exchange.ts --server-kind skyrl --url http://127.0.0.1:8000 \
 *       --model NAME --tokenizer DIR [--api-key KEY] [--context-length N] [--rank N] [--server 'SkyRL 0.3.0, JAX on CPU'] --out FILE
 *
 * With `--proxy-only` nothing is exercised: the proxy's URL is printed, and Ctrl+C writes what passed through it.
 */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigurationError, type JsonValue } from '@agent-lightning/core';
import { tinker, type ServerKind } from '../../src/index.ts';
import type { ExchangeFixture } from './exchange-fixture.ts';
import { exerciseBackend } from './exercise-backend.ts';
import { startRecordingProxy } from './recording-proxy.ts';

const { values } = parseArgs({
  options: {
    'server-kind': { type: 'string', default: 'tinker' },
    url: { type: 'string' },
    model: { type: 'string' },
    tokenizer: { type: 'string' },
    'api-key': { type: 'string' },
    'context-length': { type: 'string' },
    rank: { type: 'string', default: '8' },
    server: { type: 'string' },
    out: { type: 'string' },
    'proxy-only': { type: 'boolean', default: false },
  },
});

const url = required('url');
const out = required('out');
const proxy = await startRecordingProxy(url);
let results: JsonValue = {};
if (values['proxy-only']) {
  process.stdout.write(`${proxy.url}\n`);
  await once(process, 'SIGINT');
} else {
  const directory = await mkdtemp(join(tmpdir(), 'record-exchange-'));
  const apiKey = values['api-key'];
  const contextLength = values['context-length'];
  results = await exerciseBackend(
    tinker({
      url: proxy.url,
      model: required('model'),
      tokenizer: required('tokenizer'),
      serverKind: values['server-kind'] as ServerKind,
      lora: { rank: Number(values.rank) },
      ...(apiKey === undefined ? {} : { apiKey }),
      ...(contextLength === undefined ? {} : { contextLength: Number(contextLength) }),
    }),
    { directory },
  );
  await rm(directory, { recursive: true });
}
await proxy.close();
const fixture: ExchangeFixture = {
  format: 'agent-lightning-exchange',
  formatVersion: 1,
  server: values.server ?? `${values['server-kind']} at ${url}`,
  exchanges: proxy.exchanges,
  results,
};
await writeFile(out, `${JSON.stringify(fixture, undefined, 1)}\n`);
process.stdout.write(`${proxy.exchanges.length} exchanges written to ${out}\n`);

function required(name: 'url' | 'model' | 'tokenizer' | 'out'): string {
  const value = values[name];
  if (value !== undefined) return value;
  throw new ConfigurationError(`record-exchange: --${name} is missing`, { code: 'option-invalid' });
}
