/** Opens two policies that start alike, and go back to their start between tests instead of being created again. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { TrainablePolicy } from '@agent-lightning/core';

import type { BackendFixture, OpenBackend } from './backend-fixture.ts';

/** One open backend with two policies; opening a model is what costs time in a backend's tests. */
export interface PolicyPair {
  readonly fixture: BackendFixture;
  readonly policy: TrainablePolicy;
  readonly twin: TrainablePolicy;
  /** Puts both policies back to their start: weights, optimizer, no gradient. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a backend and both policies, and keeps their first state for {@link PolicyPair.reset}. */
export async function openPolicyPair(open: OpenBackend): Promise<PolicyPair> {
  const directory = await mkdtemp(join(tmpdir(), 'backend-start-'));
  const fixture = await open();
  const policy = await fixture.backend.createPolicy({ name: 'policy', seed: 1 });
  const twin = await fixture.backend.createPolicy({ name: 'twin', seed: 1 });
  const start = join(directory, 'start');
  await policy.saveState(start);
  return {
    fixture,
    policy,
    twin,
    async reset() {
      await policy.loadState(start);
      await twin.loadState(start);
    },
    async close() {
      await fixture.backend.close();
      await rm(directory, { recursive: true });
    },
  };
}
