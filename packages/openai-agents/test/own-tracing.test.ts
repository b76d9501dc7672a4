import { captureRollouts, type RolloutCapture } from '@agent-lightning/capture';
import { currentRollout } from '@agent-lightning/tracing';
import { exportRun, MemoryStore } from '@agent-lightning/store';
import { startModelServer, startTestRollout, type ModelServer } from '@agent-lightning/testing';
import {
  addTraceProcessor,
  Agent,
  BatchTraceProcessor,
  run,
  Runner,
  setTraceProcessors,
  setTracingDisabled,
  withTrace,
  type Span,
  type SpanData,
  type Trace,
} from '@openai/agents';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withLightning } from '../src/index.ts';
import { chatModel } from './__fixtures__/adapter.ts';

const open: { close(): Promise<unknown> }[] = [];
beforeEach(() => {
  setTracingDisabled(false); // off under NODE_ENV=test
  setTraceProcessors([]); // not the default one, which exports to OpenAI
});
afterEach(async () => {
  setTraceProcessors([]);
  setTracingDisabled(true);
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function startServer(): Promise<ModelServer> {
  const server = await startModelServer({ respond: () => 'hello' });
  open.push(server);
  return server;
}

async function startCapture(sampleRate: number): Promise<{ capture: RolloutCapture; kinds(): Promise<string[]> }> {
  const store = new MemoryStore();
  const capture = captureRollouts({ store, sampleRate });
  open.push(capture);
  return {
    capture,
    async kinds() {
      await capture.flush();
      const kinds: string[] = [];
      for await (const { spans } of exportRun(store, 'production')) kinds.push(...spans.map(({ kind }) => kind));
      return kinds;
    },
  };
}

/** The app's own processor, as it is used in production, and what its exporter was given. */
function ownProcessor(): { processor: BatchTraceProcessor; exported(): Promise<string[]> } {
  const items: (Trace | Span<SpanData>)[] = [];
  const processor = new BatchTraceProcessor({
    export: (batch) => Promise.resolve(void items.push(...batch)),
  });
  return {
    processor,
    async exported() {
      await processor.forceFlush();
      return items
        .splice(0)
        .map((item) => (item.type === 'trace' ? 'trace' : (item as Span<SpanData>).spanData.type))
        .toSorted();
    },
  };
}

const writerAt = ({ baseUrl }: ModelServer): Agent =>
  new Agent({
    name: 'writer',
    model: chatModel({ baseUrl, apiKey: 'own-key', model: 'own-model', maxRetries: 0 }),
  });

async function ask(agent: Agent): Promise<string | undefined> {
  return (await run(agent, 'q')).finalOutput;
}

const everything = ['agent', 'generation', 'task', 'trace', 'turn'];

describe('the app’s own tracing', () => {
  it.each([
    [1, ['model_call', 'agent']],
    [0, []],
  ] as const)('gets everything in live traffic, with sampleRate %d', async (sampleRate, kept) => {
    const agent = withLightning(writerAt(await startServer()));
    const { processor, exported } = ownProcessor();
    addTraceProcessor(processor); // after withLightning
    await run(agent, 'q');
    expect(await exported()).toEqual(everything);
    const { capture, kinds } = await startCapture(sampleRate);
    await capture.run('q', () => ask(agent));
    expect(await exported()).toEqual(everything);
    await capture.run('q', async () => {
      const result = await run(agent, 'q', { stream: true });
      for await (const _event of result);
      await result.completed;
    });
    expect(await exported()).toEqual(everything);
    expect(await kinds()).toEqual([...kept, ...kept]);
  });

  it('gets everything of a trace that begins around or inside a live run', async () => {
    const agent = withLightning(writerAt(await startServer()));
    const { processor, exported } = ownProcessor();
    setTraceProcessors([processor]);
    const { capture, kinds } = await startCapture(1);
    await withTrace('around', () => capture.run('q', () => ask(agent)));
    expect(await exported()).toEqual(everything);
    await capture.run('q', () => withTrace('inside', () => ask(agent)));
    expect(await exported()).toEqual(everything);
    expect(await kinds()).toEqual(['model_call', 'agent', 'model_call', 'agent']);
  });

  it('reaches the processors of the moment', async () => {
    const agent = withLightning(writerAt(await startServer()));
    const [first, second] = [ownProcessor(), ownProcessor()];
    const { capture } = await startCapture(1);
    setTraceProcessors([first.processor]);
    await capture.run('q', async () => {
      await run(agent, 'q');
      setTraceProcessors([second.processor]);
      await run(agent, 'q');
    });
    expect([await first.exported(), await second.exported()]).toEqual([everything, everything]);
  });

  it.each([
    ['setTracingDisabled', true, {}],
    ['tracingDisabled of a Runner', false, { tracingDisabled: true }],
  ] as const)('stays off in live traffic where it was off: %s', async (_how, isDisabled, config) => {
    const agent = withLightning(writerAt(await startServer()));
    const { processor, exported } = ownProcessor();
    setTraceProcessors([processor]);
    setTracingDisabled(isDisabled);
    const { capture, kinds } = await startCapture(1);
    await capture.run('q', async () => (await new Runner(config).run(agent, 'q')).finalOutput);
    expect(await exported()).toEqual([]);
    expect(await kinds()).toEqual(['model_call', 'agent']);
  });

  it('needs no processor', async () => {
    const agent = withLightning(writerAt(await startServer()));
    const { capture, kinds } = await startCapture(1);
    await capture.run('q', () => ask(agent));
    expect(await kinds()).toEqual(['model_call', 'agent']);
  });

  it('gets nothing of a trainer’s rollout, also where live traffic is recorded inside it or around it', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const agent = withLightning(writerAt(own));
    const { processor, exported } = ownProcessor();
    setTraceProcessors([processor]);
    const { capture } = await startCapture(1);
    const rollout = startTestRollout(policy.baseUrl);
    await rollout.run(() => capture.run('q', () => ask(agent)));
    await capture.run('q', () => rollout.run(() => ask(agent)));
    expect(await exported()).toEqual([]);
    expect(policy.calls).toHaveLength(2);
    expect(currentRollout()).toBeUndefined();
  });
});
