import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { attributeNames, LightningError } from '@agent-lightning/core';
import type { RolloutContext } from '@agent-lightning/runner';
import { installFetchRedirect, judge, requireRollout, toAskModel } from '@agent-lightning/tracing';
import { afterEach, describe, expect, it } from 'vitest';
import { Trainer, type TrainerOptions } from '../src/index.ts';
import { letterTasks } from './letter-task.ts';
import { capitalTasks, runCapital, search, type CapitalTask } from './prompt-search/capital-task.ts';
import { promptSearch } from './prompt-search/prompt-search.ts';
import { createTestTrainer, placeRun, readMetrics, recordingLogger, readReport } from './run-folder.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Writes down an answered call of the agent's own model, as an adapter does. */
function recordCall(model: string, tokens: number): void {
  requireRollout('recordCall')
    .recorder.start({ kind: 'model_call', name: 'chat', attributes: { [attributeNames.requestModel]: model } })
    .end({ attributes: { [attributeNames.inputTokens]: tokens - 10, [attributeNames.outputTokens]: 10 } });
}

async function createSearch(options: Partial<TrainerOptions<CapitalTask>> = {}) {
  const logger = recordingLogger();
  const { runDirectory, store } = await placeRun(options);
  const ran: string[] = [];
  const trainer = new Trainer<CapitalTask>({
    algorithm: promptSearch(search),
    rollout: (task, context) => {
      ran.push(context.rollout.rolloutId);
      recordCall('gpt-4.1-mini', 100);
      return runCapital(task, context);
    },
    logger,
    progress: 'plain',
    handleSignals: false,
    runners: 2,
    ...(store !== undefined && { store }),
    ...options,
    runDirectory,
  });
  return { trainer, logger, runDirectory, ran };
}

const fit = { train: capitalTasks, validation: capitalTasks, steps: 4, verdict: false } as const;

describe('a run with limits', () => {
  it('ends at its limit of tokens, and goes on with a higher one as if nothing had been', async () => {
    const whole = await (await createSearch()).trainer.fit(fit);
    const first = await createSearch({ limits: { tokens: 3_000 } });
    const ended = await first.trainer.fit(fit);
    expect(ended).toMatchObject({ stopReason: 'limit-reached', validationAfter: undefined, modelDirectory: undefined });
    expect(ended.steps).toBeLessThan(4);
    // Two runners: at most one call more was open when the limit was reached.
    expect([3_000, 3_100]).toContain(ended.spend.tokens);
    expect(first.logger.lines.join('\n')).toMatch(
      /limit reached: 3[01]00 of 3000 tokens are used; raise limits\.tokens/,
    );
    const second = await createSearch({ limits: { tokens: 100_000 }, runDirectory: first.runDirectory });
    const result = await second.trainer.fit({ ...fit, resume: true });
    expect(result).toMatchObject({ stopReason: 'completed', curve: whole.curve });
    expect(result.spend.tokens).toBe(100 * (first.ran.length + second.ran.length));
    expect(result.spend.parts.agent.usd).toBeCloseTo(
      (result.spend.parts.agent.calls * (90 * 0.4 + 10 * 1.6)) / 1e6,
      12,
    );
    const lines = await readMetrics(first.runDirectory);
    expect(lines.at(-1)).toMatchObject({ spend: { parts: { agent: { unknown: 0 } } } });
    expect(lines.map(({ spend }) => spend!.tokens)).toEqual(
      lines.map(({ spend }) => spend!.tokens).toSorted((a, b) => a - b),
    );
    const { spend } = (await readReport(result.reportPath)).reply('');
    expect(spend.models).toMatchObject([{ part: 'agent', model: 'gpt-4.1-mini' }]);
    expect(spend.usd).toBeCloseTo(result.spend.usd, 12);
  });

  it('resumed without a higher limit says so, and begins nothing', async () => {
    const first = await createSearch({ limits: { tokens: 1_500 } });
    await first.trainer.fit(fit);
    const again = await createSearch({ limits: { tokens: 1_500 }, runDirectory: first.runDirectory });
    expect(await again.trainer.fit({ ...fit, resume: true })).toMatchObject({ stopReason: 'limit-reached' });
    expect(again.ran).toEqual([]);
    expect(again.logger.lines.join('\n')).toMatch(/limit reached: 1[56]00 of 1500 tokens are used/);
  });

  it('never begins a rollout more than its limit, over its processes', async () => {
    const first = await createSearch({ limits: { rollouts: 30 } });
    // 6 of the first validation, 16 of the first step; the 16 of the second one would be too many.
    expect(await first.trainer.fit(fit)).toMatchObject({
      stopReason: 'limit-reached',
      steps: 1,
      spend: { rollouts: 22 },
    });
    expect(first.ran.length).toBe(22);
    const second = await createSearch({ limits: { rollouts: 38 }, runDirectory: first.runDirectory });
    expect(await second.trainer.fit({ ...fit, resume: true })).toMatchObject({ steps: 2, spend: { rollouts: 38 } });
    expect(second.ran.length).toBe(16);
  });

  it('trains weights up to a limit as well', async () => {
    const { trainer, runDirectory, logger } = await createTestTrainer({ limits: { tokens: 60, usd: 5 } });
    const result = await trainer.fit({ train: letterTasks, steps: 20 });
    expect(result.stopReason).toBe('limit-reached');
    expect(result.spend).toMatchObject({ usd: 0, parts: { judge: { calls: 0 } } });
    expect(logger.lines.join('\n')).toMatch(/of 60 tokens are used/);
    const resumed = await createTestTrainer({ limits: { tokens: 1_000_000 }, runDirectory });
    expect(await resumed.trainer.fit({ train: letterTasks, steps: 3, resume: true })).toMatchObject({
      stopReason: 'completed',
      steps: 3,
    });
  });

  it('ends by the name of a model without a price before its next step, and is saved', async () => {
    const { trainer, ran } = await createSearch({
      limits: { usd: 1 },
      rollout: (task, context) => {
        ran.push(context.rollout.rolloutId);
        recordCall('house-model', 100);
        return runCapital(task, context);
      },
    });
    await expect(trainer.fit(fit)).rejects.toThrow(/Trainer: prices\["house-model"\] must be a price/);
    expect(ran.length).toBeLessThanOrEqual(4);
  });

  it('begins nothing where a model of the algorithm has no price', async () => {
    const { trainer, ran } = await createSearch({
      limits: { usd: 1 },
      algorithm: { ...promptSearch(search), models: ['house-model'] },
    });
    await expect(trainer.fit(fit)).rejects.toThrow(/Trainer: prices\["house-model"\] must be a price/);
    expect(ran).toEqual([]);
  });

  it('refuses the calls of an agent that ignores its end, by name, and leaves its rollout out', async () => {
    cleanups.push(installFetchRedirect());
    let requests = 0;
    const server = createServer((_, response) => {
      requests += 1;
      response.end(JSON.stringify({ choices: [{ message: { content: 'ok' } }] }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/chat/completions`;
    const refusals: unknown[] = [];
    const { trainer } = await createSearch({
      limits: { tokens: 450 },
      runners: 1,
      rollout: async (task, context) => {
        for (let turn = 0; turn < 10; turn += 1) {
          const error: unknown = await fetch(url, { method: 'POST', body: '{}' }).catch((thrown: unknown) => thrown);
          if (LightningError.isInstance(error)) refusals.push(error.code);
          else recordCall('gpt-4.1', 100);
          await requireRollout('test')
            .recorder.flush()
            .catch(() => undefined);
        }
        return runCapital(task, context);
      },
    });
    expect(await trainer.fit(fit)).toMatchObject({ stopReason: 'limit-reached', steps: 0, spend: { tokens: 500 } });
    expect(requests).toBe(5);
    expect(new Set(refusals)).toEqual(new Set(['limit-reached']));
  });

  it('does not take a step for done in which the algorithm was refused a call', async () => {
    const ask = toAskModel('search.model', async (prompt) => ({
      text: prompt,
      inputTokens: 100,
      outputTokens: 0,
      model: 'gpt-4.1',
    }));
    const algorithm = promptSearch(search);
    const asking: TrainerOptions<CapitalTask>['algorithm'] = {
      ...algorithm,
      begin: async (host) => {
        const run = await algorithm.begin(host);
        const learn = run.learn.bind(run);
        run.learn = async (step) => {
          // As an algorithm does that takes a refusal for a model that is down.
          await ask('first').catch(() => undefined);
          await ask('second').catch(() => undefined);
          return await learn(step);
        };
        return run;
      },
    };
    const quiet = (task: CapitalTask, context: RolloutContext): number => runCapital(task, context);
    const first = await createSearch({ limits: { tokens: 300 }, algorithm: asking, rollout: quiet });
    const ended = await first.trainer.fit(fit);
    expect(ended).toMatchObject({ stopReason: 'limit-reached', steps: 1, spend: { tokens: 300 } });
    expect(ended.spend.parts.optimizer).toMatchObject({ calls: 3, withoutUsage: 0 });
  });

  it('tells before the first rollout what it takes, and after some what that costs', async () => {
    const { trainer, logger } = await createSearch();
    await trainer.fit(fit);
    const lines = logger.lines.join('\n');
    expect(logger.lines.findIndex((line) => line.startsWith('estimate of what this run takes'))).toBeLessThan(
      logger.lines.findIndex((line) => line.includes('validation after step 0')),
    );
    expect(lines).toContain('prompt-search does not say how many rollouts it takes, 12 rollouts of held-out tasks');
    expect(lines).toMatch(/step 1\/4 .* · 2\.2k tokens, \$0\.0011 · /);
  });

  it('counts a judge apart, from the trace of its rollout', async () => {
    const rate = judge({
      rubric: 'Short is good.',
      model: async () => ({ text: 'Good. <score>5</score>', model: 'gpt-5-mini', inputTokens: 40, outputTokens: 2 }),
    });
    const { trainer } = await createSearch({
      rollout: async (task, context) => {
        recordCall('gpt-4.1-mini', 100);
        return await rate({ task, answer: context.rollout.rolloutId });
      },
    });
    const result = await trainer.fit({ ...fit, steps: 1 });
    const { agent, judge: judged } = result.spend.parts;
    expect(judged).toMatchObject({ calls: result.rollouts, inputTokens: 40 * result.rollouts, withoutPrice: 0 });
    expect(agent.calls).toBe(result.rollouts);
  });
});

describe('an evaluation and a dry run with limits', () => {
  it('end by the name of the limit', async () => {
    const { trainer } = await createSearch({ limits: { rollouts: 10 } });
    await expect(trainer.evaluate({ tasks: capitalTasks, checkpoint: 'own' })).rejects.toMatchObject({
      code: 'limit-reached',
    });
    await expect(trainer.dev({ tasks: capitalTasks })).rejects.toMatchObject({ code: 'limit-reached' });
    const { trainer: tokens } = await createSearch({ limits: { tokens: 500 } });
    await expect(tokens.evaluate({ tasks: capitalTasks, checkpoint: 'own' })).rejects.toThrow(/of 500 tokens are used/);
  });
});
