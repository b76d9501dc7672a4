import { attributeNames as names, BackendError, type PolicySnapshot, type ServerWatch } from '@agent-lightning/core';
import { startModelServer, type ModelServer, type ModelServerOptions } from '@agent-lightning/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { onStop, startHarness, stopAll, until, type Harness } from './harness.ts';

afterEach(stopAll);

const model = 'agl-1234abcd-policy-v3';
const request = { model: 'policy', messages: [{ role: 'user', content: 'hi' }] };

/** A watch that a test tells what is well; it counts the calls that it holds. */
class TestWatch implements ServerWatch {
  well: readonly string[] = [];
  readonly reported: string[] = [];
  readonly #held: PromiseWithResolvers<void>[] = [];

  get held(): number {
    return this.#held.length;
  }

  async awaitServers(): Promise<readonly string[]> {
    while (this.well.length === 0) {
      const waiting = Promise.withResolvers<void>();
      this.#held.push(waiting);
      await waiting.promise;
    }
    return this.well;
  }

  reportFailure(baseUrl: string): void {
    this.reported.push(baseUrl);
    this.well = this.well.filter((url) => url !== baseUrl);
  }

  comeBack(...baseUrls: readonly string[]): void {
    this.well = baseUrls;
    for (const { resolve } of this.#held.splice(0)) resolve();
  }

  giveUp(error: Error): void {
    for (const { reject } of this.#held.splice(0)) reject(error);
  }
}

interface Held extends Harness {
  readonly watch: TestWatch;
  readonly servers: readonly ModelServer[];
  readonly urls: readonly string[];
}

async function start(...responders: readonly ModelServerOptions['respond'][]): Promise<Held> {
  const servers = await Promise.all(responders.map((respond) => startModelServer({ respond: respond! })));
  for (const server of servers) onStop(() => server.close());
  const urls = servers.map(({ baseUrl }) => baseUrl);
  const watch = new TestWatch();
  const harness = await startHarness();
  const snapshot: PolicySnapshot = {
    kind: 'openai',
    version: 3,
    baseUrl: urls[0]!,
    replicas: urls.slice(1),
    model,
    watch,
  };
  harness.gateway.publish('policy', snapshot);
  return { ...harness, watch, servers, urls };
}

const contentOf = async (reply: Promise<Response>): Promise<string> =>
  ((await (await reply).json()) as { choices: { message: { content: string } }[] }).choices[0]!.message.content;

describe('calls while no server of the policy is well', () => {
  it('are held, and answered once one is back', async () => {
    const { post, watch, servers, urls, finish } = await start([{ content: 'one' }, { content: 'two' }]);
    const replies = [post(request), post(request)];
    await until(() => watch.held === 2);
    expect(servers[0]?.calls).toHaveLength(0);
    watch.comeBack(urls[0]!);
    expect((await Promise.all(replies.map(contentOf))).toSorted()).toEqual(['one', 'two']);
    for (const span of await finish()) expect(span.attributes).not.toHaveProperty(names.untrainable);
  });

  it('are asked again when the server died under them, and the agent notices nothing', async () => {
    const { post, watch, urls, finish } = await start([{ fault: { type: 'reset' } }, { content: 'fine' }]);
    watch.comeBack(urls[0]!);
    const reply = post(request);
    await until(() => watch.held === 1);
    expect(watch.reported).toEqual(urls);
    watch.comeBack(urls[0]!);
    expect(await contentOf(reply)).toBe('fine');
    const spans = await finish();
    expect(spans.map(({ attributes }) => attributes[names.retries])).toEqual([1]);
  });

  it('are asked again when the server came back without their model', async () => {
    const message = `The model \`${model}\` does not exist. Valid aliases: <path>`; // vLLM 0.32.0's words
    const lost = { fault: { type: 'status', status: 404, message } } as const;
    const { post, watch, urls } = await start([lost, { content: 'fine' }]);
    watch.comeBack(urls[0]!);
    const reply = post(request);
    await until(() => watch.held === 1);
    expect(watch.reported).toEqual(urls);
    watch.comeBack(urls[0]!);
    expect(await contentOf(reply)).toBe('fine');
  });

  it('go to another replica that is well, and wait for none', async () => {
    const { post, watch, servers, urls } = await start(
      () => ({ fault: { type: 'reset' } }),
      () => 'fine',
    );
    watch.comeBack(...urls);
    for (let call = 0; call < 3; call += 1) expect(await contentOf(post(request))).toBe('fine');
    watch.comeBack(urls[1]!);
    const before = servers[0]!.calls.length;
    expect(await contentOf(post(request))).toBe('fine');
    expect(servers[0]?.calls).toHaveLength(before);
    expect(watch.held).toBe(0);
  });

  it('fail by name, as the fault of the server, when none comes back in time', async () => {
    const { post, watch, finish } = await start(() => 'never');
    const reply = post(request);
    await until(() => watch.held === 1);
    watch.giveUp(new BackendError('vLLM has not answered for 300 s.', { code: 'backend-failed', retryable: true }));
    const { status, headers } = await reply;
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('5');
    expect((await (await reply).json()) as object).toMatchObject({
      error: {
        code: 'upstream-away',
        message: 'no server of the model is well; vLLM has not answered for 300 s.',
      },
    });
    expect((await finish())[0]?.attributes).toMatchObject({ [names.errorType]: 'upstream-away', [names.outage]: true });
  });

  it('that end while they are held are no fault of the agent', async () => {
    const { post, watch, finish } = await start(() => 'never');
    const agent = new AbortController();
    const reply = post(request, { signal: agent.signal });
    await until(() => watch.held === 1);
    agent.abort();
    await expect(reply).rejects.toThrow('aborted');
    const spans = await finish();
    expect(spans[0]?.attributes).toMatchObject({ [names.errorType]: 'upstream-away', [names.outage]: true });
  });
});

it('tells an outage from what the agent did wrong', async () => {
  const { post, watch, urls, finish } = await start([{ fault: { type: 'status', status: 400, message: 'too long' } }]);
  watch.comeBack(urls[0]!);
  expect((await post(request)).status).toBe(400);
  expect(watch.reported).toEqual([]);
  expect((await finish())[0]?.attributes).not.toHaveProperty(names.outage);
});
