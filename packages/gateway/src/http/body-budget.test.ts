import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { BodyBudget } from './body-budget.ts';

/** A request whose body is `text`, as far as a reader of bodies sees. */
function requestOf(text: string): IncomingMessage {
  const bytes = Buffer.from(text);
  return Object.assign(Readable.from([bytes]), {
    headers: { 'content-length': String(bytes.length) },
  }) as unknown as IncomingMessage;
}

/** A body that takes a parser far longer than the time that costs nothing, on any machine. */
const heavy = `{"junk":[${'{"a":1},'.repeat(300_000)}0]}`;

/** A budget whose timers go off when told. */
function budget(): { readonly bodies: BodyBudget; readonly timers: { work: () => void; milliseconds: number }[] } {
  const timers: { work: () => void; milliseconds: number }[] = [];
  const bodies = new BodyBudget({
    maxBodyBytes: 1e9,
    maxBodyValues: 1e9,
    maxHeldBytes: 1e12,
    maxOwnerBytes: 1e12,
    bodyWaitMs: 1,
    schedule: (work, milliseconds) => void timers.push({ work, milliseconds }),
  });
  return { bodies, timers };
}

describe('an owner whose body held the event loop', () => {
  it.each([
    ['for a body that is right', heavy],
    ['for one that is broken at its end', heavy.slice(0, -1)],
  ])('rests in proportion, while others go on: %s', async (_name, text) => {
    const { bodies, timers } = budget();
    const [greedy, other] = [{}, {}];
    const done = (): Promise<void> => Promise.resolve();
    await bodies.withBody(greedy, requestOf(text), done).catch(() => undefined);
    expect(timers).toHaveLength(1);
    expect(timers[0]?.milliseconds).toBeGreaterThan(100);
    await expect(bodies.withBody(greedy, requestOf('{}'), done)).rejects.toMatchObject({
      status: 429,
      replyCode: 'attempt-busy',
      message: expect.stringContaining('took the gateway long to read'),
    });
    await bodies.withBody(other, requestOf('{}'), done);
    timers[0]?.work();
    await bodies.withBody(greedy, requestOf('{}'), done);
    expect([bodies.heldBytes, bodies.waiting, timers.length]).toEqual([0, 0, 1]);
  });

  it('has the request that waits read when the rest is over', async () => {
    const { bodies, timers } = budget();
    const owner = {};
    await bodies.withBody(owner, requestOf(heavy), () => Promise.resolve());
    const waiting = bodies.withBody(owner, requestOf('{"a":1}'), async (body) => expect(body).toEqual({ a: 1 }));
    expect(bodies.waiting).toBe(1);
    timers[0]?.work();
    await waiting;
  });
});
