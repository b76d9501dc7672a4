import { afterEach, describe, expect, it } from 'vitest';
import {
  attributeNames,
  buildBatch,
  toEpisode,
  type Claim,
  type Episode,
  type LightningRLOptions,
} from '@agent-lightning/core';
import { currentRollout, emitException, emitReward, operation, runInRollout, TraceRecorder } from '../src/index.ts';
import { MemoryStore } from '@agent-lightning/store';

const options: LightningRLOptions = {
  credit: 'identical',
  estimator: 'rloo',
  samples: 'trajectory',
  tokenWeighting: 'rollout',
};
const stores: MemoryStore[] = [];

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});

/** One attempt with the two writers that a real one has: the agent's side, and the gateway on its own. */
class LiveAttempt {
  readonly #store: MemoryStore;
  readonly #claim: Claim;
  readonly #agent: TraceRecorder;
  readonly #gateway: TraceRecorder;

  constructor(store: MemoryStore, claim: Claim) {
    this.#store = store;
    this.#claim = claim;
    this.#agent = new TraceRecorder({ store, lease: claim.lease });
    this.#gateway = new TraceRecorder({ store, lease: claim.lease });
  }

  async run(agent: (attempt: LiveAttempt) => Promise<void>): Promise<Episode> {
    const { rollout, attempt, lease } = this.#claim;
    const scope = {
      rollout,
      attempt,
      lease,
      resources: {},
      recorder: this.#agent,
      signal: new AbortController().signal,
    };
    await runInRollout(scope, () => agent(this));
    await this.#agent.close();
    await this.#gateway.close();
    const finished = await this.#store.complete(lease);
    const spans = await this.#store.querySpans({
      rolloutIds: [rollout.rolloutId],
      attemptId: 'latest',
      includeTokens: true,
    });
    return toEpisode(finished, spans);
  }

  /** A model call of an agent by that name, as adapter and gateway record it. */
  call(name: string, responseId: string, prompt: readonly number[], response: readonly number[]): void {
    const names = { [attributeNames.agentNames]: [name] };
    const reported = this.#agent.start({
      kind: 'model_call',
      name: 'chat',
      attributes: { [attributeNames.source]: 'framework', ...names },
    });
    const captured = this.#gateway.start({
      kind: 'model_call',
      name: 'chat',
      parentSpanId: reported.spanId,
      attributes: {
        [attributeNames.source]: 'gateway',
        [attributeNames.policy]: 'main',
        [attributeNames.policyVersion]: 0,
      },
    });
    const tokens = {
      prompt: Int32Array.from(prompt),
      response: Int32Array.from(response),
      logprobs: new Float32Array(response.length).fill(-0.5),
    };
    captured.end({
      attributes: { [attributeNames.responseId]: responseId, [attributeNames.finishReasons]: ['stop'] },
      tokens,
    });
    reported.end({ attributes: { [attributeNames.responseId]: responseId } });
  }
}

async function openAttempts(count: number): Promise<LiveAttempt[]> {
  const store = new MemoryStore();
  stores.push(store);
  await store.enqueue(
    Array.from({ length: count }, (_, index) => ({ rolloutId: `r${index}`, input: null, groupId: 'question' })),
  );
  const claims = await store.claim({ workerId: 'worker', limit: count });
  return claims.map((claim) => new LiveAttempt(store, claim));
}

describe('the unified trace interface, from recorders and a store to a batch', () => {
  it('gives calls their names, signals and rewards', async () => {
    const [attempt] = await openAttempts(1);
    const parseAnswer = operation('parse answer', (text: string) => JSON.parse(text) as unknown);
    const episode = await attempt!.run(async () => {
      attempt!.call('write', 'r1', [1, 2], [3, 4]);
      expect(() => parseAnswer('{')).toThrow(SyntaxError);
      attempt!.call('rewrite', 'r2', [1, 2, 3, 4, 5], [6]);
      emitException(new Error('no such table'));
      emitReward(0.5, { scope: { agent: 'write' } });
      emitReward({ correct: 1, short: 0.25 });
    });
    expect(
      episode.transitions.map(({ agentName, reward, signals }) => ({
        agentName,
        reward,
        signals: signals.map(({ type, name }) => [type, name]),
      })),
    ).toEqual([
      { agentName: 'write', reward: 0.5, signals: [['parse_failure', 'SyntaxError']] },
      { agentName: 'rewrite', reward: undefined, signals: [['exception', 'Error']] },
    ]);
    expect(episode).toMatchObject({ reward: 1, rewards: { correct: 1, short: 0.25 }, untrainable: [], problems: [] });
  });

  it('keeps concurrent rollouts apart and makes one batch of them', async () => {
    const attempts = await openAttempts(4);
    const episodes = await Promise.all(
      attempts.map((attempt, index) =>
        attempt.run(async () => {
          attempt.call('write', `${index}-1`, [1, 2], [3, index]);
          await Promise.resolve();
          attempt.call('rewrite', `${index}-2`, [1, 2, 3, index, 5], [6]);
          expect(currentRollout()?.rollout.rolloutId).toBe(`r${index}`);
          emitReward(index % 2);
        }),
      ),
    );
    const batch = buildBatch(episodes, { ...options, intermediate: { kind: 'additive' } });
    expect(batch.samples.map(({ rolloutId, tokens, lossMask }) => [rolloutId, [...tokens], lossMask.join('')])).toEqual(
      [0, 1, 2, 3].map((index) => [`r${index}`, [1, 2, 3, index, 5, 6], '001101']),
    );
    expect([...batch.advantages.values()].map(([first]) => first!.toFixed(3))).toEqual([
      '-0.667',
      '0.667',
      '-0.667',
      '0.667',
    ]);
    expect(batch.dropped).toEqual({
      zeroVarianceGroups: [],
      singletonGroups: [],
      missingReward: [],
      noTransitions: [],
      untrainable: 0,
    });
  });
});
