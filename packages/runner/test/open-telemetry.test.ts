/** Rollouts in an app that has an OpenTelemetry provider: what the official SDK gets, over a gateway and by OTLP. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  AlwaysOffSampler,
  ParentBasedSampler,
  type ReadableSpan,
  type Sampler,
  SamplingDecision,
} from '@opentelemetry/sdk-trace';
import { Gateway } from '@agent-lightning/gateway';
import { MemoryStore } from '@agent-lightning/store';
import { startModelServer } from '@agent-lightning/testing';
import { emitException, emitReward, operation } from '@agent-lightning/tracing';
import { afterEach, describe, expect, it } from 'vitest';
import { Runner, type RolloutContext, type RunnerOptions } from '../src/index.ts';
import { outlineSpans, registerSdk, type TestSdk } from './telemetry-sdk.ts';

const secret = 'the patient is Ada Lovelace';
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function register(options: Parameters<typeof registerSdk>[0] = {}): TestSdk {
  const sdk = registerSdk(options);
  cleanups.push(() => sdk.close());
  return sdk;
}

/** Runs one rollout of an agent with nothing but `fetch`, whose model answers with a secret. */
async function runOne(
  work: (context: RolloutContext) => Promise<number>,
  options: Partial<RunnerOptions<unknown>> = {},
): Promise<void> {
  const server = await startModelServer({ respond: () => ({ id: 'reply-1', content: secret }) });
  const store = new MemoryStore();
  const gateway = await Gateway.start({ store });
  gateway.publish('policy', { kind: 'openai', version: 4, baseUrl: server.baseUrl, model: 'served-model' });
  const runner = new Runner({ store, gateway, rollout: async (_task, context) => await work(context), ...options });
  const [queued] = await store.enqueue([{ input: { question: secret }, mode: 'train', rolloutId: 'r1' }]);
  const running = runner.run();
  await store.waitFor([queued!.rolloutId]);
  await runner.stop();
  await running;
  await Promise.all([gateway.close(), store.close(), server.close()]);
}

async function ask({ llm }: RolloutContext): Promise<string> {
  const reply = await fetch(`${llm.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${llm.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: llm.model, temperature: 1, messages: [{ role: 'user', content: secret }] }),
  });
  return await reply.text();
}

const solve = operation('solve', async (context: RolloutContext) => {
  await ask(context);
  await trace.getTracer('app').startActiveSpan('own query', async (span) => span.end());
});

async function agent(context: RolloutContext): Promise<number> {
  await solve(context);
  emitReward({ correct: 1, feedback: secret } as never);
  return 0.5;
}

function find(sdk: TestSdk, name: string): ReadableSpan {
  return sdk.spans.getFinishedSpans().find((span) => span.name === name)!;
}

describe('the spans of a rollout', () => {
  it('are in the provider of the app, below the span that is active around the runner', async () => {
    const sdk = register();
    await trace.getTracer('app').startActiveSpan('training of the app', async (span) => {
      await runOne(agent);
      span.end();
    });
    const outline = outlineSpans(sdk.spans.getFinishedSpans());
    expect(outline[0]).toBe('training of the app');
    expect(outline[1]).toBe('  rollout');
    expect(outline.toSorted()).toEqual(
      [
        'training of the app',
        '  rollout',
        '    solve',
        '    chat policy',
        '    own query',
        '    reward',
        '    reward',
      ].toSorted(),
    );
  });

  it('have the names of the conventions, the version of the policy, and no text', async () => {
    const sdk = register();
    await runOne(agent);
    expect(find(sdk, 'chat policy').attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'agentlightning',
      'gen_ai.request.model': 'policy',
      'gen_ai.request.temperature': 1,
      'gen_ai.response.id': 'reply-1',
      'gen_ai.response.finish_reasons': ['stop'],
      'gen_ai.usage.output_tokens': expect.any(Number),
      'server.address': '127.0.0.1',
      'agentlightning.policy': 'policy',
      'agentlightning.policy.version': 4,
    });
    expect(find(sdk, 'rollout').attributes).toMatchObject({
      'agentlightning.rollout.id': 'r1',
      'agentlightning.rollout.mode': 'train',
      'agentlightning.rollout.status': 'succeeded',
    });
    const rewards = sdk.spans.getFinishedSpans().filter(({ name }) => name === 'reward');
    expect(rewards.map(({ attributes }) => attributes['gen_ai.evaluation.score.value'])).toEqual([1, 0.5]);
    const everything = JSON.stringify(
      sdk.spans.getFinishedSpans().map(({ attributes, status }) => [attributes, status]),
    );
    expect(everything).not.toContain('Ada');
  });

  it('have texts where they are asked for, and never token ids', async () => {
    const sdk = register();
    await runOne(agent, { openTelemetry: { content: true } });
    const { attributes } = find(sdk, 'chat policy');
    expect(JSON.parse(attributes['gen_ai.input.messages'] as string)).toEqual([
      { role: 'user', parts: [{ type: 'text', content: secret }] },
    ]);
    expect(JSON.parse(attributes['gen_ai.output.messages'] as string)).toEqual([
      { role: 'assistant', parts: [{ type: 'text', content: secret }], finish_reason: 'stop' },
    ]);
    expect(find(sdk, 'rollout').attributes['agentlightning.rollout.input']).toBe(JSON.stringify({ question: secret }));
    const values = sdk.spans.getFinishedSpans().flatMap((span) => Object.values(span.attributes));
    expect(values.filter((value) => Array.isArray(value) && typeof value[0] === 'number')).toEqual([]);
  });

  it('fail where the agent fails, with its kind, and with its message only as text', async () => {
    const fail = async (): Promise<number> => {
      emitException(new RangeError(secret));
      throw new TypeError(secret);
    };
    const sdk = register();
    await runOne(fail);
    expect(find(sdk, 'rollout')).toMatchObject({
      status: { code: SpanStatusCode.ERROR },
      attributes: { 'agentlightning.rollout.status': 'failed', 'error.type': 'TypeError' },
    });
    const exceptions = sdk.spans.getFinishedSpans().filter(({ name }) => name === 'exception');
    expect(exceptions.map(({ status, attributes }) => [status, attributes['error.type']])).toEqual([
      [{ code: SpanStatusCode.ERROR }, 'RangeError'],
      [{ code: SpanStatusCode.ERROR }, 'TypeError'],
    ]);
    sdk.spans.reset();
    await runOne(fail, { openTelemetry: { content: true } });
    expect(find(sdk, 'rollout').status.message).toContain(secret);
  });

  it('are none when they are off, and the spans of the app stay', async () => {
    const sdk = register();
    await runOne(agent, { openTelemetry: false });
    expect(outlineSpans(sdk.spans.getFinishedSpans())).toEqual(['own query']);
    expect(await sdk.readMetrics()).toEqual({});
  });

  it.each([
    ['leaves out', SamplingDecision.NOT_RECORD],
    ['records without sampling', SamplingDecision.RECORD],
  ])('leave the sampling of the spans of the app as it was, where its sampler %s ours', async (_what, others) => {
    const root: Sampler = {
      shouldSample: (_context, _traceId, name) => ({
        decision: name.startsWith('own') ? SamplingDecision.RECORD_AND_SAMPLED : others,
      }),
      toString: () => 'own spans',
    };
    const sdk = register({ sampler: new ParentBasedSampler({ root }) });
    await runOne(agent);
    expect(sdk.spans.getFinishedSpans().map(({ name, parentSpanContext }) => [name, parentSpanContext])).toEqual([
      ['own query', undefined],
    ]);
  });

  it('take nothing from rollouts when the provider throws, and name it once', async () => {
    const sampler: Sampler = {
      shouldSample: () => {
        throw new Error('a broken sampler');
      },
      toString: () => 'broken',
    };
    register({ sampler });
    const errors: unknown[] = [];
    const rewards: number[] = [];
    const plain = async (context: RolloutContext): Promise<number> => {
      await ask(context);
      return rewards.push(1);
    };
    for (let time = 0; time < 2; time += 1) await runOne(plain, { onError: (error) => void errors.push(error) });
    expect([rewards.length, errors]).toMatchObject([
      2,
      [{ code: 'hook-failed', message: expect.stringMatching(/OpenTelemetry provider failed.*a broken sampler/) }],
    ]);
  });
});

it('measures rollouts, rewards and tokens by the meter provider of the app, also where it samples no span', async () => {
  const sdk = register({ sampler: new AlwaysOffSampler() });
  await runOne(agent);
  expect(sdk.spans.getFinishedSpans()).toEqual([]);
  const read = await sdk.readMetrics();
  expect(read).toMatchObject({
    'agentlightning.rollouts': { 'train succeeded': 1 },
    'agentlightning.rollout.duration': { 'train succeeded': 1 },
    'agentlightning.reward': { 'train correct': 1, 'train primary': 1 },
  });
  const byCall = Object.entries(read['gen_ai.client.inference.duration']!);
  expect(byCall).toEqual([[expect.stringMatching(/^chat agentlightning policy served-model 127\.0\.0\.1 \d+$/), 1]]);
  expect(Object.keys(read).filter((name) => name.includes('tokens'))).toHaveLength(2);
});

it('reaches a collector by OTLP over HTTP', async () => {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      bodies.push(Buffer.concat(pieces).toString());
      response.setHeader('content-type', 'application/json').end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`;
  const sdk = registerSdk({ exporter: new OTLPTraceExporter({ url }) });
  await runOne(agent);
  await sdk.close();
  server.close();
  interface Decoded {
    readonly resourceSpans: readonly {
      readonly scopeSpans: readonly {
        readonly scope: { readonly name: string };
        readonly spans: readonly {
          readonly name: string;
          readonly spanId: string;
          readonly parentSpanId?: string;
          readonly attributes: readonly { readonly key: string; readonly value: unknown }[];
        }[];
      }[];
    }[];
  }
  const spans = bodies
    .flatMap((body) => (JSON.parse(body) as Decoded).resourceSpans)
    .flatMap(({ scopeSpans }) => scopeSpans)
    .filter(({ scope }) => scope.name === '@agent-lightning/observability')
    .flatMap((scope) => scope.spans);
  const rollout = spans.find(({ name }) => name === 'rollout')!;
  const call = spans.find(({ name }) => name === 'chat policy')!;
  expect([rollout.parentSpanId ?? '', call.parentSpanId]).toEqual(['', rollout.spanId]);
  expect(call.attributes).toContainEqual({ key: 'gen_ai.request.model', value: { stringValue: 'policy' } });
});
