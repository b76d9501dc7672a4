/** Declares the contract suite of training backends: every promise of core's `TrainingBackend`, as tests. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { BackendFixture, BackendSuiteOptions, OpenBackend, SuiteContext } from './backend-fixture.ts';
import { describeSnapshots } from './snapshot-promises.ts';
import { describeSampling } from './sampling-promises.ts';
import { describeState } from './state-promises.ts';
import { describeTemperature } from './temperature-promises.ts';
import { describeTraining } from './training-promises.ts';

/**
 * Declares the suite; call it at the top of a test file.
 *
 * @param open gives a new backend on the same small start model each time; the suite closes it
 */
export function describeBackend(name: string, open: OpenBackend, options: BackendSuiteOptions = {}): void {
  const context: SuiteContext = { open, tolerance: options.logprobTolerance ?? 1e-4 };
  describe(`${name} keeps the contract of training backends`, () => {
    describe('backend', () => describeLifecycle(context));
    describe('training', () => describeTraining(context));
    describe('temperature', () => describeTemperature(context));
    describe('state', () => describeState(context));
    describe('snapshots', () => describeSnapshots(context));
    describe('sampling', () => describeSampling(context));
  });
}

function describeLifecycle({ open }: SuiteContext): void {
  let fixture: BackendFixture;
  beforeEach(async () => {
    fixture = await open();
  });
  afterEach(() => fixture.backend.close());

  it('says what it can do', async () => {
    const capabilities = await fixture.backend.capabilities();
    expect(capabilities.losses.length).toBeGreaterThan(0);
    expect(capabilities.maxSampleTokens).toBeGreaterThan(1);
    expect(['all', 'adapter']).toContain(capabilities.trainedWeights ?? 'all');
    expect(capabilities.description).not.toBe('');
    expect(fixture.backend.name).not.toBe('');
  });

  it('refuses a second policy of one name', async () => {
    const policy = await fixture.backend.createPolicy({ name: 'writer', seed: 1 });
    expect(policy.name).toBe('writer');
    await expect(fixture.backend.createPolicy({ name: 'writer', seed: 1 })).rejects.toMatchObject({
      code: 'option-invalid',
    });
  });

  it.each([
    { name: '', seed: 1 },
    { name: 'writer', seed: 0.5 },
    { name: 'writer', seed: Number.NaN },
  ])('refuses the policy %o, and takes its name afterwards', async (spec) => {
    await expect(fixture.backend.createPolicy(spec)).rejects.toMatchObject({ code: 'option-invalid' });
    expect((await fixture.backend.createPolicy({ name: 'writer', seed: 1 })).name).toBe('writer');
  });

  it('closes twice, and refuses work afterwards', async () => {
    const policy = await fixture.backend.createPolicy({ name: 'policy', seed: 1 });
    await fixture.backend.close();
    await fixture.backend.close();
    await expect(fixture.backend.createPolicy({ name: 'other', seed: 1 })).rejects.toMatchObject({
      code: 'backend-closed',
    });
    await expect(policy.publish(1)).rejects.toMatchObject({ code: 'backend-closed' });
  });
}
