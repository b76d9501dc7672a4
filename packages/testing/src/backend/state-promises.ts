/** Promises about saving, resuming and exporting. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { TrainablePolicy, TrainingSample } from '@agent-lightning/core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, type TestContext } from 'vitest';

import {
  choosable,
  largestGap,
  makeSamples,
  train,
  type BackendFixture,
  type SuiteContext,
} from './backend-fixture.ts';
import { openPolicyPair, type PolicyPair } from './policy-pair.ts';

/** Tests of `saveState`, `loadState` and `exportModel`. */
export function describeState({ open, tolerance }: SuiteContext): void {
  let root: string;
  let pair: PolicyPair;
  let fixture: BackendFixture;
  let policy: TrainablePolicy;
  let samples: readonly TrainingSample[];

  beforeAll(async () => {
    pair = await openPolicyPair(open);
    ({ fixture, policy } = pair);
    samples = makeSamples(fixture.vocabularySize, 3, 5);
  });
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'backend-state-'));
    await pair.reset();
    await train(policy, samples);
  });
  afterEach(() => rm(root, { recursive: true }));
  afterAll(() => pair?.close());

  it('resumes in another process as if nothing had happened, bit for bit', async () => {
    await policy.saveState(join(root, 'state'));
    const resumed = await open();
    try {
      const twin = await resumed.backend.createPolicy({ name: 'policy', seed: 99 });
      await twin.loadState(join(root, 'state'));
      expect(await twin.forward(samples)).toEqual(await policy.forward(samples));
      for (const one of [policy, twin]) await one.forwardBackward(samples, { name: 'cross_entropy' });
      const whole = { learningRate: 0.01, weightDecay: 0.1, maxGradientNorm: 1 };
      const adam = choosable(whole, await fixture.backend.capabilities());
      expect(await twin.optimStep(adam)).toEqual(await policy.optimStep(adam));
      expect(await twin.forward(samples)).toEqual(await policy.forward(samples));
    } finally {
      await resumed.backend.close();
    }
  });

  it('goes back to a saved state, and replaces it by a newer one', async () => {
    await policy.saveState(join(root, 'state'));
    const saved = await policy.forward(samples);
    await train(policy, samples);
    const newer = await policy.forward(samples);
    await policy.loadState(join(root, 'state'));
    expect(await policy.forward(samples)).toEqual(saved);
    await train(policy, samples);
    expect(await policy.forward(samples)).toEqual(newer);
    await policy.saveState(join(root, 'state'));
    await policy.loadState(join(root, 'state'));
    expect(await policy.forward(samples)).toEqual(newer);
    expect(await readdir(root)).toEqual(['state']);
  });

  it('forgets an accumulated gradient when it loads a state', async () => {
    await policy.saveState(join(root, 'state'));
    await policy.forwardBackward(samples, { name: 'cross_entropy' });
    await policy.loadState(join(root, 'state'));
    expect((await policy.optimStep({ learningRate: 0 })).gradientNorm ?? 0).toBe(0);
  });

  it('refuses a state that is not there, and stays as it is', async () => {
    const before = await policy.forward(samples);
    await expect(policy.loadState(join(root, 'nothing'))).rejects.toMatchObject({ code: 'checkpoint-corrupt' });
    expect(await policy.forward(samples)).toEqual(before);
  });

  it('refuses a state of which any file is cut off, and stays as it is', async () => {
    await policy.saveState(join(root, 'state'));
    await train(policy, samples);
    const before = await policy.forward(samples);
    for (const name of await readdir(join(root, 'state'))) {
      const path = join(root, 'state', name);
      const whole = await readFile(path);
      await writeFile(path, whole.subarray(0, Math.floor(whole.length / 2)));
      await expect(policy.loadState(join(root, 'state'))).rejects.toMatchObject({ code: 'checkpoint-corrupt' });
      await writeFile(path, whole);
    }
    expect(await policy.forward(samples)).toEqual(before);
  });

  it('exports an ordinary model directory', async () => {
    await policy.exportModel(join(root, 'model'));
    const files = await readdir(join(root, 'model'));
    expect(files).toEqual(
      expect.arrayContaining([
        fixture.exports === 'adapter' ? 'adapter_config.json' : 'config.json',
        'tokenizer.json',
        'tokenizer_config.json',
        expect.stringMatching(/\.safetensors$/),
      ]),
    );
  });

  it('exports what it trained', async (context: TestContext) => {
    if (fixture.openExport === undefined) return context.skip('this fixture cannot open an export');
    await policy.exportModel(join(root, 'model'));
    const reopened = fixture.openExport(join(root, 'model'));
    try {
      const twin = await reopened.createPolicy({ name: 'policy', seed: 1 });
      expect(largestGap(await twin.forward(samples), await policy.forward(samples))).toBeLessThan(tolerance);
    } finally {
      await reopened.close();
    }
  });
}
