/**
 * Writes the golden corpus anew. Review its diff like code: what changes here changes what agents get or what is
 * trained on. The upstream's side comes from our scripted server in vLLM's shape, not from a vLLM. The tests check every exchange against the upstream's own text as well, so that a wrong recording fails.
 *
 *     node --conditions=@agent-lightning/source packages/gateway/test/corpus/record.ts
 */
import { writeFile } from 'node:fs/promises';
import { startModelServer } from '@agent-lightning/testing';
import type { DialectName } from '../../src/dialects/dialect.ts';
import { Exchanger, paths, type Exchange, type RecordedReply } from './exchange.ts';
import { scenarios, type Scenario } from './scenarios.ts';

const server = await startModelServer();
let asked: unknown;
let upstream: RecordedReply = { status: 0, type: '', text: '' };

/** Hands requests to the scripted server and notes both sides. */
const exchanger = await Exchanger.start((request, body, response) => {
  asked = JSON.parse(body);
  void (async () => {
    const reply = await fetch(`${server.baseUrl}${(request.url ?? '').replace('/v1', '')}`, { method: 'POST', body });
    const type = reply.headers.get('content-type') ?? '';
    upstream = { status: reply.status, type, text: await reply.text() };
    response.writeHead(upstream.status, { 'content-type': type }).end(upstream.text);
  })();
});

async function record(scenario: Scenario): Promise<Exchange> {
  const { dialect, name, request } = scenario;
  server.respondWith(() => ({ id: `cmpl-${dialect}`, chunkTokens: [2, 1], ...scenario.reply }));
  const { agent, spans } = await exchanger.run(dialect, request);
  return { dialect, name, request, asked, upstream, agent, spans };
}

const recorded: Exchange[] = [];
for (const scenario of scenarios) recorded.push(await record(scenario));
for (const dialect of Object.keys(paths) as DialectName[]) {
  const lines = recorded.filter((exchange) => exchange.dialect === dialect).map((exchange) => JSON.stringify(exchange));
  await writeFile(new URL(`../__fixtures__/corpus/${dialect}.jsonl`, import.meta.url), `${lines.join('\n')}\n`);
}
await exchanger.close();
await server.close();
