import type { Claim } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { expect, it, onTestFinished } from 'vitest';
import { OpenAttempts } from './open-attempts.ts';

const idle = { writableEnded: false };

async function open(
  close: () => Promise<void> = async () => {},
): Promise<{ attempts: OpenAttempts; claim: Claim; log: string[] }> {
  const store = new MemoryStore({ watchdogIntervalMs: 0 });
  onTestFinished(() => store.close());
  await store.enqueue([{ rolloutId: 'r', input: 1 }]);
  const [claim] = await store.claim({ workerId: 'w' });
  const log: string[] = [];
  const attempts = new OpenAttempts({
    openAttempt: async () => {
      log.push('open');
      return { baseUrl: 'http://gateway/rollout/r/attempt/a/v1', apiKey: 'key', model: 'policy', sampling: {} };
    },
    closeAttempt: () => {
      log.push('close');
      return close();
    },
  });
  return { attempts, claim: claim!, log };
}

it('keeps an attempt open for a call that joins just before a flush', async () => {
  const { attempts, claim, log } = await open();
  (await attempts.join(claim, idle)).leave();
  const joining = attempts.join(claim, idle);
  await Promise.all([joining, attempts.flush('r')]);
  expect(log).toEqual(['open']);
  const { apiKey, path, leave } = await joining;
  expect({ apiKey, path }).toEqual({ apiKey: 'key', path: '/rollout/r/attempt/a/v1' });
  leave();
  await attempts.flush('r');
  expect(log).toEqual(['open', 'close']);
});

it('opens an attempt anew for a call that joins while a flush closes it', async () => {
  const closing = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const { attempts, claim, log } = await open(() => {
    closing.resolve();
    return closed.promise;
  });
  (await attempts.join(claim, idle)).leave();
  const flushing = attempts.flush('r');
  await closing.promise;
  const joining = attempts.join(claim, idle);
  closed.resolve();
  await Promise.all([joining, flushing]);
  expect(log).toEqual(['open', 'close', 'open']);
});

it('waits in a flush for calls whose replies are out', async () => {
  const { attempts, claim, log } = await open();
  const answered = await attempts.join(claim, { writableEnded: true });
  const flushing = attempts.flush('r').then(() => log.push('flushed'));
  answered.leave();
  await flushing;
  expect(log).toEqual(['open', 'close', 'flushed']);
});

it('ends an attempt with calls in flight', async () => {
  const { attempts, claim, log } = await open();
  const { leave } = await attempts.join(claim, idle);
  await attempts.flush('r');
  expect(log).toEqual(['open']);
  await attempts.end(claim);
  leave();
  await attempts.flush('r');
  expect(log).toEqual(['open', 'close']);
});
