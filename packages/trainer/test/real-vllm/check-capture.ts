/** Checks what the gateway captures of a real vLLM's replies, in every dialect, whole and streamed. */
import type { Span } from '@agent-lightning/core';
import { expect } from 'vitest';
import { withSharedPrompts } from '../../../core/src/transitions/shared-prompts.ts';
import { startHarness, stopAll } from '../../../gateway/test/harness.ts';
import { scoreAgain, type VllmSnapshot } from './real-vllm.ts';

/** The largest difference, in nats, between a captured log-probability and vLLM's own at another time: both are float32. */
const tolerance = 1e-4;
/** Samples of each call that a test with tools makes: the model calls the tool in most of them. */
const tries = 6;

const system = 'Use the calculator. End with "Answer: number".';
const question = 'Tom has 12 apples and buys 7 more. How many does he have?';
const messages = [
  { role: 'system', content: system },
  { role: 'user', content: question },
];
const parameters = { type: 'object', properties: { expression: { type: 'string' } }, required: ['expression'] };
const described = { name: 'calculator', description: 'Calculates an expression.', parameters };
const tools = [{ type: 'function', function: described }];

/** A request, and the number of sampled choices that its capture must hold. */
interface Asked {
  readonly path?: string;
  readonly body: object;
  readonly choices?: number;
}

const requests: Readonly<Record<string, Asked>> = {
  chat: { body: { messages, max_tokens: 40 } },
  'two choices': { body: { messages, max_tokens: 40, n: 2 }, choices: 2 },
  'a stop text': { body: { messages, max_tokens: 60, stop: ['}'] } },
  completion: { path: '/completions', body: { prompt: 'Tom has 12 apples', max_tokens: 20 } },
  Responses: { path: '/responses', body: { instructions: system, input: question, max_output_tokens: 40 } },
  Messages: { path: '/messages', body: { system, messages: messages.slice(1), max_tokens: 40 } },
};
const toolRequests: Readonly<Record<string, Asked>> = {
  chat: { body: { messages, tools, max_tokens: 80 } },
  Responses: {
    path: '/responses',
    body: { instructions: system, input: question, tools: [{ type: 'function', ...described }], max_output_tokens: 80 },
  },
  Messages: {
    path: '/messages',
    body: {
      system,
      messages: messages.slice(1),
      tools: [{ name: described.name, description: described.description, input_schema: parameters }],
      max_tokens: 80,
    },
  },
};

/** Asks for each form of reply, and scores again all that was captured. */
export async function checkCapture(snapshot: VllmSnapshot, base: VllmSnapshot): Promise<void> {
  try {
    for (const [name, asked] of Object.entries(requests))
      for (const stream of [false, true]) {
        const spans = await ask(snapshot, asked, stream);
        expect(spans, name).toHaveLength(asked.choices ?? 1);
        for (const span of spans) await checkSpan(`${name}, ${stream ? 'streamed' : 'whole'}`, span, snapshot, base);
      }
    for (const [name, asked] of Object.entries(toolRequests))
      for (const stream of [false, true])
        await checkTools(`${name}, ${stream ? 'streamed' : 'whole'}`, asked, stream, snapshot, base);
  } finally {
    await stopAll();
  }
}

/** Makes a call in an attempt of its own; returns its spans, each with its prompt. */
async function ask(
  snapshot: VllmSnapshot,
  { path = '/chat/completions', body }: Asked,
  stream: boolean,
): Promise<readonly Span[]> {
  const { gateway, post, finish } = await startHarness();
  gateway.publish('policy', snapshot);
  const response = await post({ model: 'policy', stream, ...body }, { path });
  const text = await response.text();
  expect([response.status, text.length > 0], text).toEqual([200, true]);
  return withSharedPrompts(await finish());
}

async function checkTools(
  name: string,
  asked: Asked,
  stream: boolean,
  snapshot: VllmSnapshot,
  base: VllmSnapshot,
): Promise<void> {
  const spans = (await Promise.all(Array.from({ length: tries }, () => ask(snapshot, asked, stream)))).flat();
  expect(spans).toHaveLength(tries);
  for (const span of spans) await checkSpan(`${name} with tools`, span, snapshot, base);
  const output = spans.map(({ attributes }) => JSON.stringify(attributes));
  expect(
    output.filter((text) => text.includes('"tool_call')),
    `${name}: ${output.join('\n')}`,
  ).not.toEqual([]);
}

/** Checks that a span has all tokens of its call, and the log-probabilities of the adapter, not of the base model. */
async function checkSpan(name: string, span: Span, snapshot: VllmSnapshot, base: VllmSnapshot): Promise<void> {
  expect(span.attributes, name).not.toHaveProperty('agentlightning.untrainable');
  const { prompt, response, logprobs } = span.tokens!;
  expect(response!.length, name).toBeGreaterThan(0);
  expect(span.attributes['gen_ai.usage.output_tokens'], name).toBe(response!.length);
  expect(span.attributes['gen_ai.usage.input_tokens'], name).toBe(prompt!.length);
  const gapTo = async (server: VllmSnapshot): Promise<number> => {
    const again = await scoreAgain(server, prompt!, response!);
    return Math.max(...again.map((logprob, t) => Math.abs(logprob - logprobs![t]!)));
  };
  expect(await gapTo(snapshot), name).toBeLessThan(tolerance);
  expect(await gapTo(base), name).toBeGreaterThan(100 * tolerance);
}
