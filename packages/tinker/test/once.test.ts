import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LightningError, type TrainablePolicy } from '@agent-lightning/core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openFake, sampleOf } from './fake-backend.ts';
import type { ServerKind } from '../src/server-kinds.ts';
import type { TinkerFault } from './fakes/fake-tinker.ts';
import { createTinyCheckpoint } from '../../embedded/test/tiny-checkpoint.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tinker-once-'));
  await createTinyCheckpoint(join(root, 'model'));
});
afterAll(() => rm(root, { recursive: true }));

type Action = 'pass' | 'step' | 'forward' | 'save' | 'publish';

const act: Readonly<Record<Action, (policy: TrainablePolicy, index: number) => Promise<unknown>>> = {
  pass: (policy, index) => policy.forwardBackward([sampleOf(1, 2 + index, 3)], { name: 'cross_entropy' }),
  step: (policy, index) => policy.optimStep({ learningRate: 0.01 * (1 + index) }),
  forward: (policy) => policy.forward([sampleOf(1, 2, 3)]),
  save: (policy) => policy.saveState(join(root, 'state')),
  publish: (policy, index) => policy.publish(index),
};

const faults: readonly (TinkerFault | undefined)[] = [
  undefined,
  { type: 'lose-response' },
  { type: 'reset' },
  { type: 'page' },
  { type: 'status', status: 502 },
  { type: 'status', status: 429, headers: { 'retry-after': '1' } },
];
const pollFaults: readonly (TinkerFault | undefined)[] = [...faults, { type: 'not-ready' }];

const actions = fc.array(fc.constantFrom<Action>('pass', 'step', 'forward', 'save', 'publish'), { maxLength: 6 });
const script = fc.array(fc.tuple(fc.constantFrom(...faults), fc.constantFrom(...pollFaults)), { maxLength: 30 });

/** Runs actions, all submitted at once or one after the other, against a server that fails as scripted. */
async function run(
  serverKind: ServerKind,
  plan: readonly Action[],
  pipelined: boolean,
  failures: readonly (readonly [TinkerFault | undefined, TinkerFault | undefined])[],
): Promise<{ readonly routes: readonly string[]; readonly logits: Float64Array; readonly errors: readonly unknown[] }> {
  const setup = await openFake(serverKind, join(root, 'model'), { vocabularySize: 20, retryForMs: 600_000 });
  try {
    const policy = await setup.backend.createPolicy({ name: 'writer', seed: 1 });
    let next = 0;
    setup.server.failWith(({ route }) => {
      const [fault, pollFault] = failures[next++] ?? [undefined, undefined];
      return route === 'retrieve_future' ? pollFault : fault;
    });
    const errors: unknown[] = [];
    const running: Promise<unknown>[] = [];
    for (const [index, action] of plan.entries()) {
      const call = act[action](policy, index).catch((error: unknown) => errors.push(error));
      running.push(call);
      if (!pipelined) await call;
    }
    await Promise.all(running);
    const { applied, engine } = setup.server;
    const routes = applied.map(({ route }) => route).filter((route) => !route.startsWith('save'));
    return { routes, logits: engine.logitsOf(engine.modelIds[0]!)!.slice(), errors };
  } finally {
    await setup.close();
  }
}

describe.each(['worker', 'tinker'] as const)('a %s server that loses, repeats and delays answers', (serverKind) => {
  it('has done everything exactly once in the end, in order', async () => {
    await fc.assert(
      fc.asyncProperty(actions, fc.boolean(), script, async (plan, pipelined, failures) => {
        const undisturbed = await run(serverKind, plan, false, []);
        const disturbed = await run(serverKind, plan, pipelined, failures);
        expect(disturbed.errors.filter((error) => !isSaveOverGradient(error))).toEqual([]);
        expect(disturbed.routes).toEqual(undisturbed.routes);
        expect(disturbed.logits).toEqual(undisturbed.logits);
      }),
      { numRuns: 25 },
    );
  });
});

describe('a SkyRL server that loses and delays answers', () => {
  it('has done nothing twice: either all as planned, or a beginning and an error that says so', async () => {
    await fc.assert(
      fc.asyncProperty(actions, fc.boolean(), script, async (plan, pipelined, failures) => {
        const undisturbed = await run('skyrl', plan, false, []);
        const { routes, logits, errors } = await run('skyrl', plan, pipelined, failures);
        const lost = errors.filter((error) => !isSaveOverGradient(error));
        // A forward pass changes nothing: the client may ask for it again.
        const changes = (all: readonly string[]): string[] => all.filter((route) => route !== 'forward');
        if (lost.length === 0) {
          expect(changes(routes)).toEqual(changes(undisturbed.routes));
          expect(logits).toEqual(undisturbed.logits);
        } else {
          for (const error of lost) expect(LightningError.isInstance(error) && error.code).toBe('session-lost');
          expect(changes(routes)).toEqual(changes(undisturbed.routes).slice(0, changes(routes).length));
        }
      }),
      { numRuns: 25 },
    );
  });
});

/** A state holds no gradient, so saving over one is refused: by plan, not by fault. */
function isSaveOverGradient(error: unknown): boolean {
  return LightningError.isInstance(error) && error.code === 'option-unsupported';
}
