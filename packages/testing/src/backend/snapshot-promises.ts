/** Promises about published versions. */
import type { TrainablePolicy, TrainingSample } from '@agent-lightning/core';
import { afterAll, beforeAll, beforeEach, expect, it, type TestContext } from 'vitest';

import { engineOf, makeSamples, train, type BackendFixture, type SuiteContext } from './backend-fixture.ts';
import { collectGeneration, expectSameGeneration, type CollectedGeneration } from './collect-generation.ts';
import { openPolicyPair, type PolicyPair } from './policy-pair.ts';

/** Tests of `publish` and `baseSnapshot`. */
export function describeSnapshots({ open, tolerance }: SuiteContext): void {
  let pair: PolicyPair;
  let fixture: BackendFixture;
  let policy: TrainablePolicy;
  let samples: readonly TrainingSample[];
  let liveSnapshots: number;

  beforeAll(async () => {
    pair = await openPolicyPair(open);
    ({ fixture, policy } = pair);
    samples = makeSamples(fixture.vocabularySize, 3, 7);
  });
  beforeEach(async (context) => {
    const { snapshot, liveSnapshots: live = 2 } = await fixture.backend.capabilities();
    liveSnapshots = live;
    if (snapshot !== 'engine') context.skip(`snapshots of kind '${snapshot}' are sampled over HTTP`);
    await pair.reset();
  });
  afterAll(() => pair?.close());

  const request = (): { input: { messages: BackendFixture['messages'] }; seed: number; maxTokens: number } => ({
    input: { messages: fixture.messages },
    seed: 5,
    maxTokens: 24,
  });

  it('publishes the kind that it announces, under the version that was asked for', async () => {
    expect(await policy.publish(7)).toMatchObject({ kind: 'engine', version: 7 });
  });

  it('keeps a snapshot as it is while training goes on', async () => {
    const first = engineOf(await policy.publish(1));
    const before = await collectGeneration(first, request());
    await train(policy, samples);
    expectSameGeneration(await collectGeneration(first, request()), before, tolerance);
    const second = engineOf(await policy.publish(2));
    expect((await collectGeneration(second, request())).choices).not.toEqual(before.choices);
    // Where one version lives at a time, the older one must say so instead of sampling from the newer.
    if (liveSnapshots === 1) {
      await expect(collectGeneration(first, request())).rejects.toMatchObject({ code: 'backend-closed' });
    } else expectSameGeneration(await collectGeneration(first, request()), before, tolerance);
  });

  it('finishes calls on the version that they began with, however many follow', async () => {
    const first = engineOf(await policy.publish(1));
    const seeds = Array.from({ length: 8 }, (_, seed) => seed);
    const askAll = (): Promise<readonly CollectedGeneration[]> =>
      Promise.all(seeds.map((seed) => collectGeneration(first, { ...request(), seed, choices: 4 })));
    const undisturbed = await askAll();
    const disturbed = askAll();
    for (const version of [2, 3, 4]) {
      void policy.forwardBackward(samples, { name: 'cross_entropy' });
      void policy.optimStep({ learningRate: 0.02 });
      await policy.publish(version);
    }
    for (const [index, generation] of (await disturbed).entries())
      expectSameGeneration(generation, undisturbed[index] as CollectedGeneration, tolerance);
  });

  it('serves the frozen base model beside the policy', async (context: TestContext) => {
    const base = await fixture.backend.baseSnapshot();
    if (base === undefined) return context.skip('this backend serves no base model');
    const before = await collectGeneration(engineOf(base), request());
    expectSameGeneration(await collectGeneration(engineOf(await policy.publish(1)), request()), before, tolerance);
    await train(policy, samples);
    await policy.publish(2);
    const after = await collectGeneration(engineOf(await fixture.backend.baseSnapshot()), request());
    expectSameGeneration(after, before, tolerance);
  });
}
