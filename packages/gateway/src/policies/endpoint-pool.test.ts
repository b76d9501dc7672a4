import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EndpointPool } from './endpoint-pool.ts';

const urls = ['http://a/v1', 'http://b/v1', 'http://c/v1'];
const none: ReadonlySet<string> = new Set();

function pool(): EndpointPool {
  return new EndpointPool({ healthIntervalMs: 60_000, probe: () => Promise.resolve(true) });
}

describe('EndpointPool', () => {
  it('keeps a rollout where it is, and moves only the rollouts of an endpoint that left', () => {
    const endpoints = pool();
    const rollouts = Array.from({ length: 300 }, (_, index) => `rollout-${index}`);
    const before = rollouts.map((id) => endpoints.choose(urls, id, none));
    for (const url of urls) expect(before.filter((chosen) => chosen === url).length).toBeGreaterThan(60);
    expect(rollouts.map((id) => endpoints.choose(urls.toReversed(), id, none))).toEqual(before);
    for (let failure = 0; failure < 3; failure += 1) endpoints.failed('http://b/v1', undefined);
    expect(endpoints.absent).toEqual(['http://b/v1']);
    for (const [index, id] of rollouts.entries()) {
      const chosen = endpoints.choose(urls, id, none);
      if (before[index] === 'http://b/v1') expect(chosen).not.toBe('http://b/v1');
      else expect(chosen).toBe(before[index]);
    }
    endpoints.succeeded('http://b/v1');
    expect(rollouts.map((id) => endpoints.choose(urls, id, none))).toEqual(before);
    endpoints.close();
  });

  it('always chooses one of its endpoints, and an untried one while there is one', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.webUrl(), { minLength: 1, maxLength: 6 }),
        fc.string(),
        fc.nat(6),
        fc.nat(6),
        (endpoints, affinity, tried, failing) => {
          const chooser = pool();
          for (const url of endpoints.slice(0, failing)) for (let i = 0; i < 3; i += 1) chooser.failed(url, undefined);
          const done = new Set(endpoints.slice(0, tried));
          const chosen = chooser.choose(endpoints, affinity, done);
          expect(endpoints).toContain(chosen);
          if (done.size < endpoints.length && endpoints.length > 1) expect(done.has(chosen)).toBe(false);
          chooser.close();
        },
      ),
    );
  });
});
