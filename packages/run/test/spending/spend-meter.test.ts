import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attributeNames, type Attributes, type SpanInput } from '@agent-lightning/core';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { Clock } from '@agent-lightning/platform';
import { checkSpending, SpendMeter, type RunLimits } from '../../src/index.ts';

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function createPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'spend-'));
  folders.push(folder);
  return join(folder, 'spend.jsonl');
}

interface Given {
  readonly limits?: RunLimits;
  readonly prices?: Record<string, { input: number; output: number; cachedInput?: number }>;
  readonly path?: string;
  readonly clock?: Clock;
  readonly hosted?: readonly string[];
}

async function openMeter({ limits, prices, ...others }: Given = {}) {
  const warnings: string[] = [];
  const rules = checkSpending('Trainer', { ...(limits && { limits }), ...(prices && { prices }) });
  const meter = await SpendMeter.open({
    rules,
    free: ['policy'],
    hosted: ['gpt-4.1'],
    onWarning: (text) => warnings.push(text),
    ...others,
  });
  meter.begin();
  return { meter, warnings };
}

let spans = 0;
function call(attributes: Attributes, others: Partial<SpanInput> = {}): SpanInput {
  spans += 1;
  return {
    spanId: spans.toString(16).padStart(16, '0'),
    traceId: '0'.repeat(32),
    kind: 'model_call',
    name: 'chat',
    status: { code: 'ok' },
    startTimeMs: 0,
    endTimeMs: 1,
    attributes: { [attributeNames.source]: 'framework', ...attributes },
    ...others,
  };
}

const model = (name: string, input?: number, output?: number): Attributes => ({
  [attributeNames.requestModel]: name,
  ...(input !== undefined && { [attributeNames.inputTokens]: input }),
  ...(output !== undefined && { [attributeNames.outputTokens]: output }),
});

describe('the meter of a run', () => {
  it('prices tokens that were read from a cache as the user says, and as other input where he says nothing', async () => {
    const path = await createPath();
    const prices = { mine: { input: 1, output: 10, cachedInput: 0.1 }, plain: { input: 1, output: 10 } };
    const cached = { [attributeNames.cachedTokens]: 800_000 };
    const { meter } = await openMeter({ prices, path });
    for (const name of ['mine', 'plain'])
      meter.countWritten(name, [call({ ...model(name, 1_000_000, 100_000), ...cached })]);
    meter.count({ part: 'judge', model: 'mine', inputTokens: 10, outputTokens: 0, cachedTokens: 20 });
    const usdOf = ({ spend }: SpendMeter) =>
      Object.fromEntries(spend.models.map((each) => [each.part + each.model, each.usd]));
    const expected = { agentplain: 2, agentmine: 0.2 + 0.08 + 1, judgemine: 1e-6 };
    for (const [name, usd] of Object.entries(expected)) expect(usdOf(meter)[name]).toBeCloseTo(usd, 12);
    expect(meter.spend.tokens).toBe(2_200_010);
    await meter.close();
    const { meter: next } = await openMeter({ prices, path });
    expect(next.spend.models).toEqual(meter.spend.models);
    await expect(openMeter({ prices: { mine: { input: 1, output: 1, cachedInput: -1 } } })).rejects.toThrow(
      'cachedInput',
    );
  });

  it('counts tokens and dollars by part and model, by hand', async () => {
    const { meter } = await openMeter({ prices: { mine: { input: 1, output: 10 } } });
    meter.countWritten('a1', [
      call(model('gpt-4.1-mini-2025-04-14', 1_000_000, 500_000)),
      call(model('mine', 100, 10)),
    ]);
    meter.countWritten('a1', [call({ ...model('openai/gpt-4.1-mini', 500_000, 0), [attributeNames.isJudge]: true })]);
    meter.count({ part: 'optimizer', model: 'gpt-5', inputTokens: 400_000, outputTokens: 100_000 });
    const { spend } = meter;
    expect(spend.parts.agent).toMatchObject({
      calls: 2,
      inputTokens: 1_000_100,
      outputTokens: 500_010,
      withoutUsage: 0,
    });
    expect(spend.parts.agent.usd).toBeCloseTo(0.4 + 0.8 + (100 + 100) / 1e6, 12);
    expect(spend.parts.judge.usd).toBeCloseTo(0.2, 12);
    expect(spend.parts.optimizer.usd).toBeCloseTo(0.5 + 1, 12);
    expect(spend.usd).toBeCloseTo(1.2002 + 0.2 + 1.5, 12);
    expect(spend.models.map((each) => [each.part, each.model])).toEqual([
      ['optimizer', 'gpt-5'],
      ['agent', 'gpt-4.1-mini-2025-04-14'],
      ['judge', 'openai/gpt-4.1-mini'],
      ['agent', 'mine'],
    ]);
    expect(meter.describe()).toBe('2.50M tokens, $2.90 (agent $1.20, judge $0.2, optimizer $1.50)');
  });

  it('counts a call once that the gateway captured and a framework reported', async () => {
    const { meter } = await openMeter();
    const named = { ...model('policy', 10, 5), [attributeNames.responseId]: 'r1' };
    const reported = call(named);
    const unnamed = call(model('policy', 7, 7));
    const captured = { [attributeNames.source]: 'gateway', [attributeNames.policy]: 'policy' };
    meter.countWritten('a1', [reported, unnamed]);
    meter.countWritten('a1', [
      call({ ...named, ...captured }),
      call({ ...model('policy', 20, 2), ...captured }, { parentSpanId: unnamed.spanId }),
      call({ ...model('policy', 20, 3), ...captured, [attributeNames.promptSpan]: 'f'.repeat(16) }),
    ]);
    expect(meter.spend).toMatchObject({ tokens: 15 + 22 + 3, usd: 0, parts: { agent: { calls: 2, withoutPrice: 0 } } });
  });

  it('takes back the price of a call that turns out to be answered by the free policy', async () => {
    const path = await createPath();
    const { meter } = await openMeter({ path });
    const reported = call(model('gpt-4o', 1_000, 100));
    const captured = { [attributeNames.source]: 'gateway', [attributeNames.policy]: 'policy' };
    meter.countWritten('a1', [reported]);
    expect(meter.spend.usd).toBeGreaterThan(0);
    meter.countWritten('a1', [
      call({ ...model('gpt-4o', 1_000, 100), ...captured }, { parentSpanId: reported.spanId }),
    ]);
    expect(meter.spend).toMatchObject({ usd: 0, tokens: 1_100, parts: { agent: { calls: 1 } } });
    expect(meter.spend.models.map((each) => each.model)).toEqual(['policy']);
    await meter.close();
    const { meter: resumed } = await openMeter({ path });
    expect(resumed.spend).toMatchObject({ usd: 0, tokens: 1_100 });
  });

  it('counts a call that a hosted model answered in the place of the policy as a call of that model', async () => {
    const { meter } = await openMeter();
    const captured = { [attributeNames.source]: 'gateway', [attributeNames.policy]: 'policy' };
    const answered = { ...model('policy', 1_000_000, 0), [attributeNames.responseModel]: 'gpt-4.1-2025-04-14' };
    meter.countWritten('a1', [call({ ...captured, ...answered })]);
    meter.countWritten('a1', [call({ ...captured, ...answered, [attributeNames.responseModel]: 'adapter-3' })]);
    expect(meter.spend.models.map((each) => [each.model, each.usd])).toEqual([
      ['gpt-4.1', 2],
      ['policy', 0],
    ]);
  });

  it('counts a call by the name that the server was asked for, whatever name it answers with', async () => {
    const { meter } = await openMeter({
      hosted: ['my-deployment'],
      prices: { 'my-deployment': { input: 3, output: 9 } },
    });
    const captured = { [attributeNames.source]: 'gateway', [attributeNames.policy]: 'policy' };
    const answered = { ...model('policy', 1_000_000, 0), [attributeNames.responseModel]: 'gpt-4.1-2025-04-14' };
    meter.countWritten('a1', [
      call({ ...captured, ...answered, [attributeNames.upstreamModel]: 'my-deployment' }),
      call({ ...captured, ...answered, [attributeNames.upstreamModel]: 'gpt-4.1' }), // a policy by such a name is free
    ]);
    expect(meter.spend.models.map((each) => [each.model, each.usd])).toEqual([
      ['my-deployment', 3],
      ['policy', 0],
    ]);
  });

  it('counts no call that failed, that a cache answered, or that goes on', async () => {
    const { meter } = await openMeter();
    meter.countWritten('a1', [
      call(model('m'), { status: { code: 'error', message: 'busy' } }),
      call({ ...model('m', 5, 5), [attributeNames.untrainable]: 'answered from a cache' }),
      call(model('m', 5, 5), { isOpen: true }),
    ]);
    expect(meter.spend.models).toEqual([]);
  });

  it('names a model once that does not report its tokens', async () => {
    const { meter, warnings } = await openMeter({ limits: { tokens: 10 } });
    meter.countWritten('a1', [call(model('quiet')), call(model('quiet'))]);
    expect(meter.spend).toMatchObject({ tokens: 0, parts: { agent: { calls: 2, withoutUsage: 2, withoutPrice: 2 } } });
    expect(warnings).toEqual([expect.stringMatching(/^quiet \(agent\) does not report all tokens of its calls/)]);
    expect(meter.describe()).toBe('0 tokens');
  });

  it('names a model that reports one side of its tokens', async () => {
    const { meter, warnings } = await openMeter({ limits: { tokens: 1_000 } });
    meter.countWritten('a1', [call(model('half', 10))]);
    expect(meter.spend).toMatchObject({ tokens: 10, parts: { agent: { calls: 1, withoutUsage: 1 } } });
    expect(warnings).toEqual([expect.stringMatching(/^half \(agent\)/)]);
  });

  it.each<[string, RunLimits, RegExp]>([
    ['tokens', { tokens: 30 }, /^limit reached: 30 of 30 tokens are used; raise limits.tokens to go on$/],
    ['usd', { usd: 0.00006 }, /^limit reached: \$0\.00006 of \$0\.00006 are spent; raise limits.usd to go on$/],
  ])('ends a run at its limit of %s, and refuses every further call', async (_, limits, message) => {
    const { meter } = await openMeter({ limits });
    const asked = { part: 'optimizer', model: 'gpt-4.1' } as const;
    meter.countWritten('a1', [call(model('gpt-4.1', 20, 0))]);
    meter.admit(asked);
    meter.countWritten('a1', [call(model('gpt-4.1', 10, 0))]);
    expect(meter.reached.aborted).toBe(true);
    expect(meter.reached.reason).toMatchObject({ name: 'TrainerError', code: 'limit-reached' });
    expect(() => meter.admit(asked)).toThrow(message);
    expect(() => meter.beginRollouts(1)).toThrow(message);
    const swallowed = (): boolean => {
      try {
        meter.admit(asked);
      } catch {
        return false;
      }
      return true;
    };
    await expect(meter.requireCalls(swallowed)).rejects.toThrow(message);
    expect(await meter.requireCalls(() => 'asked nobody')).toBe('asked nobody');
  });

  it('never begins a rollout more than its limit', async () => {
    const { meter } = await openMeter({ limits: { rollouts: 10 } });
    meter.beginRollouts(8);
    meter.returnRollouts(2);
    meter.beginRollouts(4);
    expect(() => meter.beginRollouts(1)).toThrow(
      /^limit reached: 10 of 10 rollouts have begun, and the next one is not/,
    );
    expect(meter.spend.rollouts).toBe(10);
  });

  it('ends a run without a price by the name of the model where money is limited, and only there', async () => {
    const { meter } = await openMeter({ limits: { usd: 1 } });
    expect(() => meter.admit({ part: 'judge', model: 'house-model' })).toThrow(
      /^Trainer: prices\["house-model"\] must be a price such as .*since limits\.usd is given/,
    );
    expect(meter.reached.reason).toMatchObject({ name: 'ConfigurationError', code: 'option-invalid' });
    const { meter: free } = await openMeter({ limits: { tokens: 10 } });
    free.admit({ part: 'judge', model: 'house-model' });
    const { meter: priced } = await openMeter({
      limits: { usd: 1 },
      prices: { 'house-model': { input: 0, output: 0 } },
    });
    priced.admit({ part: 'judge', model: 'house-model' });
    expect([free, priced].map(({ reached }) => reached.aborted)).toEqual([false, false]);
  });

  it('ends a run when it has worked for its minutes, those of earlier processes among them', async () => {
    const path = await createPath();
    const clock = createClock();
    const limits = { minutes: 2 };
    const { meter: first } = await openMeter({ limits, path, clock });
    clock.pass(90_000);
    await first.close();
    clock.pass(600_000); // between two processes
    const { meter: second } = await openMeter({ limits, path, clock });
    expect(second.spend.minutes).toBeCloseTo(1.5, 9);
    await clock.waiting();
    clock.pass(30_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(second.reached.reason).toMatchObject({ message: expect.stringMatching(/worked for 2 minutes/) });
    await second.close();
  });
});

describe('the ledger of a run', () => {
  it('gives a resumed run what was spent, also where a crash cut off its last line', async () => {
    const path = await createPath();
    const { meter } = await openMeter({ path });
    meter.beginRollouts(3);
    const written = [call(model('gpt-4.1', 10, 1)), call(model('gpt-4.1', 20, 2))];
    meter.countWritten('a1', written.slice(0, 1));
    meter.countWritten('a1', written.slice(1));
    meter.countWritten('a2', [call(model('gpt-4.1', 5, 5))]);
    meter.count({ part: 'optimizer', model: 'gpt-5', inputTokens: 7, outputTokens: undefined });
    await meter.flush();
    await appendFile(path, '{"attempt":"a2","usa');
    const { meter: resumed } = await openMeter({ path });
    const { minutes: _, ...spent } = resumed.spend;
    const { minutes: __, ...before } = meter.spend;
    expect(spent).toEqual(before);
    // The finished rollout is read again by the resumed run, and is not paid twice.
    resumed.countRead(
      written.map((span, index) => ({ ...span, rolloutId: 'r', attemptId: 'a1', sequenceId: index + 1 })),
    );
    expect(resumed.spend.tokens).toBe(before.tokens);
    resumed.count({ part: 'optimizer', model: 'gpt-5', inputTokens: 1, outputTokens: 1 });
    await resumed.close();
    const lines = (await readFile(path, 'utf8')).trim().split('\n');
    expect(lines.map((line) => typeof JSON.parse(line))).toEqual(lines.map(() => 'object'));
  });

  it('loses nothing of a write that failed, and leaves no half line behind', async () => {
    const path = await createPath();
    const { meter } = await openMeter({ path });
    meter.countWritten('a1', [call(model('gpt-4.1', 10, 1))]);
    await meter.flush();
    const whole = await readFile(path, 'utf8');
    await rm(path);
    await mkdir(path); // nothing can be appended to a folder
    meter.countWritten('a2', [call(model('gpt-4.1', 20, 2))]);
    await expect(meter.flush()).rejects.toMatchObject({ code: 'option-invalid' });
    await rm(path, { recursive: true });
    await writeFile(path, `${whole}{"attempt":"a2","usa`); // as a full disk leaves it
    meter.countWritten('a3', [call(model('gpt-4.1', 30, 3))]);
    await meter.close();
    const { meter: resumed } = await openMeter({ path });
    expect(resumed.spend.tokens).toBe(66);
    await resumed.close();
  });

  it('names a damaged line that is not the last one', async () => {
    const path = await createPath();
    await writeFile(path, '{"rollouts":2}\n{"attempt":"a","usa{"rollouts":1}\n{"rollouts":1}\n');
    await expect(openMeter({ path })).rejects.toMatchObject({
      name: 'TrainerError',
      code: 'checkpoint-corrupt',
      message: expect.stringMatching(/^line 2 of .*spend\.jsonl is damaged/),
    });
  });

  it('comes to the sum of the calls however they come, and wherever the process ends', async () => {
    const path = await createPath();
    const event = fc.record({
      attempt: fc.constantFrom('a1', 'a2', 'a3'),
      input: fc.nat(1_000),
      output: fc.nat(1_000),
      isKilled: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 12 }), async (events) => {
        await rm(path, { force: true });
        let { meter } = await openMeter({ path });
        let generation = 0;
        for (const { attempt, input, output, isKilled } of events) {
          // A rollout of a killed process never goes on: its attempts are others.
          meter.countWritten(`${attempt}.${generation}`, [call(model('gpt-4.1', input, output))]);
          if (!isKilled) continue;
          await meter.flush();
          ({ meter } = await openMeter({ path }));
          generation += 1;
        }
        await meter.close();
        expect(meter.spend.tokens).toBe(events.reduce((sum, { input, output }) => sum + input + output, 0));
        expect(meter.spend.parts.agent.calls).toBe(events.length);
      }),
      { numRuns: 30 },
    );
  });
});

describe('limits and prices', () => {
  it.each([
    [{ limits: { rollouts: 0 } }, /Trainer: limits\.rollouts must be a whole number from 1/],
    [{ limits: { usd: 0 } }, /Trainer: limits\.usd must be a finite number above 0/],
    [{ limits: { dollars: 1 } }, /Trainer: limits has no option "dollars"/],
    [
      { prices: { m: { input: -1, output: 0 } } },
      /Trainer: prices\["m"\]\.input must be a finite number of at least 0/,
    ],
    [{ prices: { m: { input: 1 } } }, /Trainer: prices\["m"\]\.output/],
  ])('refuses %o', (given, message) => {
    expect(() => checkSpending('Trainer', given as never)).toThrow(message);
  });
});

/** A clock that stands until time is passed. */
function createClock(): Clock & { pass(ms: number): void; waiting(): Promise<void> } {
  let now = 0;
  const waits: { readonly at: number; readonly resolve: () => void }[] = [];
  return {
    now: () => now,
    wait: (ms, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve());
        waits.push({ at: now + ms, resolve });
      }),
    pass(ms) {
      now += ms;
      for (const { at, resolve } of waits) if (at <= now) resolve();
    },
    waiting: () => Promise.resolve(),
  };
}
