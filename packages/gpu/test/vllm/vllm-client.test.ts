import { inspect } from 'node:util';
import { expect, it } from 'vitest';
import { VllmClient } from '../../src/vllm/vllm-client.ts';

it.each([400, 200])('a server that answers %d and repeats its key shows it to nobody', async (status) => {
  const answer = async (_url: unknown, init?: RequestInit): Promise<Response> =>
    Response.json({ error: { message: `bad: ${new Headers(init?.headers).get('authorization')}` } }, { status });
  const client = new VllmClient({ url: 'http://vllm', apiKey: 'sk-canary', fetch: answer });
  const error: unknown = await client.models().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'backend-failed' });
  expect(inspect(error)).not.toContain('canary');
});
