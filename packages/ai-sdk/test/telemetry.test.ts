import { generateObject, generateText, isStepCount, Output, streamText, ToolLoopAgent, type Telemetry } from 'ai';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { lightningTelemetry, withLightning } from '../src/index.ts';
import { chatModel, lookup, startServer, toolThenAnswer } from './__fixtures__/agents.ts';
import { startRollout } from './__fixtures__/rollout.ts';

const stopWhen = isStepCount(5);
const outline = [
  'agent writer',
  '  model_call policy/1',
  '  tool_call lookup {"key":"k1"} → value of k1',
  '    message looking up k1',
  '  model_call policy/2',
];

/** Somebody else's integration, which replaces the registered ones for an operation that names it. */
function otherIntegration(seen: string[]): Telemetry {
  return { onStart: () => void seen.push('start'), onEnd: () => void seen.push('end') };
}

describe('operations with telemetry integrations of their own', () => {
  it.each([
    ['generateText', async (request: Parameters<typeof generateText>[0]) => (await generateText(request)).text],
    ['streamText', async (request: Parameters<typeof streamText>[0]) => streamText(request).text],
  ] as const)('are traced all the same, through the tracing channel: %s', async (_how, call) => {
    const policy = await startServer('policy', toolThenAnswer('k1'));
    const model = withLightning(chatModel(policy), { name: 'writer' });
    const seen: string[] = [];
    const rollout = startRollout(policy.baseUrl);
    const telemetry = { integrations: [otherIntegration(seen)] };
    const request = { model, prompt: 'q', tools: { lookup }, stopWhen, telemetry };
    expect(await rollout.run(() => call(request as never))).toBe('the answer');
    expect(seen).toEqual(['start', 'end']);
    expect(await rollout.outline()).toEqual(outline);
  });

  it('are those of a wrapped agent just as well, whose model is not wrapped', async () => {
    const policy = await startServer('policy', toolThenAnswer('k1'));
    const telemetry = { integrations: [otherIntegration([])] };
    const own = new ToolLoopAgent({ id: 'writer', model: chatModel(policy), tools: { lookup }, telemetry });
    const [whole, streamed] = [startRollout(policy.baseUrl), startRollout(policy.baseUrl)];
    await whole.run(() => withLightning(own).generate({ prompt: 'q' }));
    expect(await whole.outline()).toEqual(outline);
    const result = await streamed.run(() => withLightning(own).stream({ prompt: 'q' }));
    await result.consumeStream();
    // The channel does not tell the id of a streamed answer; the gateway does.
    expect((await streamed.outline()).map((line) => line.replace(/policy\/\d/, '-'))).toEqual(
      outline.map((line) => line.replace(/policy\/\d/, '-')),
    );
  });

  it('are traced once when lightningTelemetry is among them', async () => {
    const policy = await startServer('policy', toolThenAnswer('k1'));
    const model = withLightning(chatModel(policy), { name: 'writer' });
    const rollout = startRollout(policy.baseUrl);
    const telemetry = { integrations: [lightningTelemetry()] };
    await rollout.run(() => generateText({ model, prompt: 'q', tools: { lookup }, stopWhen, telemetry }));
    expect(await rollout.outline()).toEqual(outline);
  });
});

describe('an operation whose functionId is no name', () => {
  it.each([
    ['empty', '', 'agent agent'],
    ['too long', 'x'.repeat(5_000), `agent ${'x'.repeat(1_000)}`],
  ])('is traced all the same: %s', async (_what, functionId, agent) => {
    const policy = await startServer('policy');
    const model = withLightning(chatModel(policy));
    for (const integrations of [undefined, [otherIntegration([])]]) {
      const rollout = startRollout(policy.baseUrl);
      const telemetry = { functionId, ...(integrations && { integrations }) };
      await rollout.run(() => generateText({ model, prompt: 'q', telemetry }));
      expect((await rollout.outline())[0]).toBe(agent);
      const inside = startRollout(policy.baseUrl);
      const writer = withLightning(new ToolLoopAgent({ id: 'writer', model: chatModel(policy), telemetry }));
      await inside.run(() => writer.generate({ prompt: 'q' }));
      expect((await inside.outline()).map((line) => line.trim().split(' ')[0])).toEqual(['agent', 'model_call']);
    }
  });
});

describe('operations whose inputs and outputs are not recorded', () => {
  it('are traced with their ids, and without what is not recorded', async () => {
    const policy = await startServer('policy', toolThenAnswer('k1'));
    const model = withLightning(chatModel(policy), { name: 'writer' });
    const rollout = startRollout(policy.baseUrl);
    const telemetry = { recordInputs: false, recordOutputs: false };
    await rollout.run(() => generateText({ model, prompt: 'q', tools: { lookup }, stopWhen, telemetry }));
    expect((await rollout.outline()).map((line) => line.trim().split(' → ')[0])).toEqual([
      'agent writer',
      'model_call policy/1',
      'tool_call lookup -',
      'message looking up k1',
      'model_call policy/2',
    ]);
  });
});

describe('objects', () => {
  it('come with tools and from agents as from a single call', async () => {
    const schema = z.object({ answer: z.string() });
    const policy = await startServer('policy', (request, call) =>
      call.index % 2 === 0 ? toolThenAnswer('k1')(request, call) : '{"answer":"yes"}',
    );
    const model = chatModel(policy);
    const agent = withLightning(
      new ToolLoopAgent({ id: 'writer', model, tools: { lookup }, output: Output.object({ schema }) }),
    );
    const rollout = startRollout(policy.baseUrl);
    const { output } = await rollout.run(() => agent.generate({ prompt: 'q' }));
    expect(output).toEqual({ answer: 'yes' });
    expect(await rollout.outline()).toEqual(outline);
    const single = startRollout((await startServer('policy', () => '{"answer":"no"}')).baseUrl);
    const { object } = await single.run(() =>
      generateObject({ model: withLightning(model, { name: 'writer' }), prompt: 'q', schema }),
    );
    expect(object).toEqual({ answer: 'no' });
    expect(await single.outline()).toEqual(['agent writer', '  model_call policy/1']);
  });
});
