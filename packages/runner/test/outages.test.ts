import {
  attributeNames,
  GatewayError,
  type EnqueueRequest,
  type ModelGateway,
  type Rollout,
} from '@agent-lightning/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Runner, type RolloutFunction, type RunnerOptions } from '../src/index.ts';
import { away, closeRemoteStores, RemoteStore } from './remote-store.ts';
import { AttemptGuard } from '../src/attempt-guard.ts';
import { holdTimers } from '../../gateway/test/held-timers.ts';

const endpoint = { baseUrl: 'http://127.0.0.1:1/v1', apiKey: 'k', model: 'policy', sampling: {} };
const gone = new GatewayError('the gateway did not answer', { code: 'upstream-failed', retryable: true });

class PaymentError extends Error {}

afterEach(closeRemoteStores);

interface Ended {
  readonly rollout: Rollout;
  readonly attempts: readonly string[];
  readonly errors: readonly unknown[];
}

async function runOne(
  rollout: RolloutFunction,
  remote: RemoteStore,
  options: Partial<RunnerOptions<unknown>> = {},
  request: Partial<EnqueueRequest> = {},
): Promise<Ended> {
  const errors: unknown[] = [];
  const { store, inner } = remote;
  const runner = new Runner({ store, rollout, onError: (error) => errors.push(error), ...options });
  await inner.enqueue([{ rolloutId: 'a', input: null, ...request }]);
  const running = runner.run();
  const [ended] = await inner.waitFor(['a']);
  await runner.stop();
  await running;
  const attempts = await inner.queryAttempts('a');
  return { rollout: ended!, attempts: attempts.map(({ failure }) => failure?.code ?? 'succeeded'), errors };
}

describe('a store that is away', () => {
  it.each(['appendSpans', 'complete', 'fail', 'getResources'] as const)(
    'for %s costs no attempt, and is reported once',
    async (name) => {
      const remote = new RemoteStore();
      await remote.inner.putResources('r', { greeting: { type: 'json', value: 'hello' } });
      const method = remote.inner[name].bind(remote.inner) as (...given: unknown[]) => Promise<never>;
      let refusals = 3;
      const refuse = vi.spyOn(remote.inner, name).mockImplementation((...given: unknown[]): Promise<never> => {
        refusals -= 1;
        return refusals < 0 ? method(...given) : Promise.reject(away);
      });
      const agent = vi.fn(() => {
        if (name === 'fail') throw new PaymentError('declined');
        return 1;
      });
      const { attempts, errors } = await runOne(agent, remote, {}, { resourcesId: 'r' });
      expect(attempts).toEqual([name === 'fail' ? 'PaymentError' : 'succeeded']);
      expect(refuse.mock.calls.length).toBeGreaterThan(3);
      expect(errors).toEqual([away]);
      expect(agent).toHaveBeenCalledTimes(1);
      const spans = await remote.inner.querySpans({ rolloutIds: ['a'] });
      expect(spans.map(({ kind }) => kind)).toEqual([name === 'fail' ? 'exception' : 'reward']);
    },
  );

  it('for longer than the lease lets another attempt run, whatever the agent of the first one did', async () => {
    const remote = new RemoteStore();
    let begun = 0;
    const agent: RolloutFunction = () => {
      begun += 1;
      if (begun > 1) return 1;
      remote.isAway = true;
      throw new PaymentError('declined');
    };
    const onError = (): void => {
      // The server is back after the lease, and its watchdog is first.
      remote.nowMs += 60_000;
      remote.isAway = false;
      void remote.inner.runWatchdog();
    };
    const { attempts } = await runOne(agent, remote, { onError }, { retry: { maxAttempts: 2 } });
    expect(attempts).toEqual(['lease-expired', 'succeeded']);
    expect(begun).toBe(2);
  });

  it('keeps no runner from stopping', async () => {
    const remote = new RemoteStore();
    const stopped = new AbortController();
    const errors: unknown[] = [];
    const runner = new Runner({
      store: remote.store,
      rollout: () => {
        remote.isAway = true;
        return 1;
      },
      onError: (error) => {
        errors.push(error);
        stopped.abort();
      },
    });
    await remote.inner.enqueue([{ rolloutId: 'a', input: null }]);
    expect(await runner.run(stopped.signal)).toMatchObject({ failed: 1 });
    expect((await remote.inner.getRollout('a'))!.status).toBe('preparing'); // its lease will end it
  });

  it('while a hook asks for the spans is no success without what the hook would have done', async () => {
    const remote = new RemoteStore();
    const onRolloutEnd: NonNullable<RunnerOptions<unknown>['hooks']>['onRolloutEnd'] = async ({ spans }) => {
      remote.isAway = true;
      await spans();
    };
    using time = holdTimers(54_321);
    const onError = (): void => {
      time.end();
      if (remote.refused > 0) remote.isAway = false;
    };
    // The hook's time ends while it waits; the first error is that of the store.
    const { rollout } = await runOne(() => 1, remote, { hooks: { onRolloutEnd }, hookTimeoutMs: 54_321, onError });
    expect(rollout).toMatchObject({ status: 'failed', failure: { code: 'store-unavailable' } });
  });
});

describe('a gateway that is away', () => {
  function gatewayThat(parts: Partial<ModelGateway>): ModelGateway {
    return { openAttempt: async () => endpoint, closeAttempt: async () => undefined, ...parts };
  }
  const failing = (): never => {
    throw new PaymentError('declined'); // as agents do that hide what their client threw
  };

  it('when an attempt opens is waited for', async () => {
    let refusals = 2;
    const openAttempt = async (): Promise<typeof endpoint> => {
      if (refusals-- > 0) throw gone;
      return endpoint;
    };
    const { attempts, errors } = await runOne(() => 1, new RemoteStore(), { gateway: gatewayThat({ openAttempt }) });
    expect(attempts).toEqual(['succeeded']);
    expect(errors).toEqual([gone]);
  });

  it('for all of the time of an attempt is no time-out of its agent', async () => {
    const agent = vi.fn(() => 1);
    using time = holdTimers(54_321);
    const openAttempt = async (): Promise<typeof endpoint> => {
      time.end();
      return endpoint;
    };
    const options = { gateway: gatewayThat({ openAttempt }), attemptTimeoutMs: 54_321 };
    const { attempts } = await runOne(agent, new RemoteStore(), options);
    expect(attempts).toEqual(['upstream-timeout']);
    expect(agent).not.toHaveBeenCalled();
  });

  it('when an attempt ends explains the failure of its agent', async () => {
    let refusals = 2;
    const closeAttempt = async (): Promise<void> => {
      if (refusals-- > 0) throw gone;
    };
    const gateway = gatewayThat({ closeAttempt });
    expect((await runOne(failing, new RemoteStore(), { gateway })).attempts).toEqual(['upstream-failed']);
    refusals = 2;
    expect((await runOne(() => 1, new RemoteStore(), { gateway })).attempts).toEqual(['succeeded']);
    refusals = 2;
    const loops = (): never => {
      throw Object.assign(new Error('25 steps'), { name: 'GraphRecursionError' });
    };
    expect((await runOne(loops, new RemoteStore(), { gateway })).attempts).toEqual(['GraphRecursionError']);
  });

  it.each([
    ['succeeded', (): number => 1],
    ['failed', failing],
  ])('and was started again since makes an attempt that %s one that runs again', async (_, agent) => {
    const unknown = new GatewayError('not known here', { code: 'attempt-unknown' });
    let closed = 0;
    const closeAttempt = async (): Promise<void> => {
      closed += 1;
      if (closed === 1) throw unknown;
    };
    const retry = { maxAttempts: 2, retryCodes: ['attempt-unknown'] };
    const { attempts } = await runOne(agent, new RemoteStore(), { gateway: gatewayThat({ closeAttempt }) }, { retry });
    expect(attempts).toEqual(['attempt-unknown', agent === failing ? 'PaymentError' : 'succeeded']);
  });
});

it('a model that is away is no failure of an agent that hides what its client threw', async () => {
  const remote = new RemoteStore();
  let isAway = true;
  const closeAttempt: ModelGateway['closeAttempt'] = async ({ lease }) => {
    const attributes = { [attributeNames.source]: 'gateway', ...(isAway && { [attributeNames.outage]: true }) };
    const span = { kind: 'model_call', name: 'chat', status: { code: 'error' }, attributes } as const;
    const ids = { spanId: '00000000000000ab', traceId: 'c'.repeat(32), startTimeMs: 1, endTimeMs: 2 };
    await remote.inner.appendSpans(lease, [{ ...ids, ...span }]);
  };
  let begun = 0;
  const agent = (): number => {
    begun += 1;
    isAway = begun === 1;
    throw new PaymentError('declined');
  };
  const gateway = { openAttempt: async () => endpoint, closeAttempt };
  const retry = { maxAttempts: 3, retryCodes: ['upstream-failed'] };
  const { attempts, rollout, errors } = await runOne(agent, remote, { gateway }, { retry });
  expect(errors).toEqual([]);
  expect(attempts).toEqual(['upstream-failed', 'PaymentError']);
  expect(rollout.failure).toEqual({ code: 'PaymentError', message: 'declined' });
});

describe('a process that stood still', () => {
  it.each([
    [29_999, 'timeout'],
    [30_000, 'lost'],
  ])('for %d ms ends its agents as %s, when their time is over too', (stoodMs, interruption) => {
    using time = holdTimers(54_321);
    let nowMs = 0;
    const guard = new AttemptGuard({
      store: { heartbeat: () => new Promise(() => undefined) },
      lease: { rolloutId: 'a', attemptId: 'b', fencingToken: 1 },
      leaseMs: 30_000,
      timeoutMs: 54_321,
      stop: new AbortController().signal,
      onError: () => undefined,
      monotonicMs: () => nowMs,
    });
    nowMs = stoodMs;
    time.end();
    expect(guard.interruption).toBe(interruption);
    expect(guard.over.aborted).toBe(interruption === 'lost');
    guard.release();
  });
});
