import Anthropic from '@anthropic-ai/sdk';
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod';
import { attributeNames as names } from '@agent-lightning/core';
import { zodResponseFormat } from 'openai/helpers/zod';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { stopAll } from './harness.ts';
import { startScripted } from './scripted.ts';

afterEach(stopAll);
const loop = [{ toolCalls: [{ name: 'run_sql', arguments: { query: 'select 6' } }] }, 'Six.'];

describe('the loops that official clients run by themselves', () => {
  it.each([false, true])('openai’s runTools, stream: %s', async (stream) => {
    const { client, finish } = await startScripted(loop);
    const asked: string[] = [];
    const tools = [
      {
        type: 'function' as const,
        function: {
          name: 'run_sql',
          description: 'Runs a query.',
          parameters: { type: 'object', properties: { query: { type: 'string' } } },
          parse: JSON.parse,
          function: ({ query }: { query: string }) => {
            asked.push(query);
            return '6';
          },
        },
      },
    ];
    const messages = [{ role: 'user' as const, content: 'How many?' }];
    const runner = stream
      ? client.chat.completions.runTools({ model: 'policy', messages, tools, stream })
      : client.chat.completions.runTools({ model: 'policy', messages, tools });
    expect(await runner.finalContent()).toBe('Six.');
    expect(asked).toEqual(['select 6']);
    const spans = await finish();
    expect(spans.map((span) => names.untrainable in span.attributes)).toEqual([false, false]);
  });

  it('openai’s parsed output', async () => {
    const { client } = await startScripted(['{"count":6}']);
    const reply = await client.chat.completions.parse({
      model: 'policy',
      messages: [{ role: 'user', content: 'How many?' }],
      response_format: zodResponseFormat(z.object({ count: z.number() }), 'answer'),
    });
    expect(reply.choices[0]?.message.parsed).toEqual({ count: 6 });
  });

  it.each([false, true])('Anthropic’s tool runner, stream: %s', async (stream) => {
    const { endpoint, finish } = await startScripted(loop);
    const client = new Anthropic({
      baseURL: endpoint.baseUrl.replace(/\/v1$/u, ''),
      apiKey: endpoint.apiKey,
      maxRetries: 0,
    });
    const asked: string[] = [];
    const runSql = betaZodTool({
      name: 'run_sql',
      description: 'Runs a query.',
      inputSchema: z.object({ query: z.string() }),
      run: ({ query }) => {
        asked.push(query);
        return '6';
      },
    });
    const params = {
      model: 'policy',
      max_tokens: 50,
      messages: [{ role: 'user' as const, content: 'How many?' }],
      tools: [runSql],
    };
    const runner = stream
      ? client.beta.messages.toolRunner({ ...params, stream })
      : client.beta.messages.toolRunner(params);
    const last = await runner.runUntilDone();
    expect(last.content).toMatchObject([{ type: 'text', text: 'Six.' }]);
    expect(asked).toEqual(['select 6']);
    const spans = await finish();
    expect(spans.map((span) => names.untrainable in span.attributes)).toEqual([false, false]);
  });
});
