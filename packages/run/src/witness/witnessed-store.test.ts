import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  attributeNames,
  rewardAttributes,
  toEpisode,
  type Episode,
  type LightningStore,
  type SpanInput,
} from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { afterEach, describe, expect, it } from 'vitest';
import { witnessStore } from './witnessed-store.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

let spanNumber = 0;
function span(kind: SpanInput['kind'], attributes: SpanInput['attributes'], tokens?: SpanInput['tokens']): SpanInput {
  spanNumber += 1;
  return {
    spanId: spanNumber.toString(16).padStart(16, '0'),
    traceId: 'f'.repeat(32),
    kind,
    name: kind,
    status: { code: 'ok' },
    startTimeMs: 1.5,
    endTimeMs: 2,
    attributes,
    ...(tokens === undefined ? {} : { tokens }),
  };
}

const reward = (value: number): SpanInput => span('reward', rewardAttributes(value));
const call = (): SpanInput =>
  span(
    'model_call',
    {
      [attributeNames.source]: 'gateway',
      [attributeNames.policy]: 'policy',
      [attributeNames.policyVersion]: 1,
      [attributeNames.finishReasons]: ['stop'],
      [attributeNames.outputMessages]: '[{"role":"assistant","content":"\u{d83d}\u{de42} é"}]',
      [attributeNames.requestTemperature]: 0.1 + 0.2,
    },
    { prompt: Int32Array.of(1, 2), response: Int32Array.of(3), logprobs: Float32Array.of(-0.125) },
  );

interface Run {
  readonly store: LightningStore;
  /** Opens the run's file as an agent that escaped would. */
  readonly attack: (sql: string) => void;
  readonly warnings: string[];
  /** Runs a rollout to its end. */
  readonly finish: (spans: readonly SpanInput[], isFailed?: boolean) => Promise<string>;
  readonly read: (rolloutId: string) => Promise<Episode>;
}

async function open(): Promise<Run> {
  const directory = await mkdtemp(join(tmpdir(), 'witness-'));
  stops.push(() => rm(directory, { recursive: true, force: true }));
  const path = join(directory, 'store.sqlite');
  const opened = await openSqliteStore({ path });
  stops.push(() => opened.close());
  const warnings: string[] = [];
  const store = witnessStore(opened, { isExclusive: true, onChanged: (message) => warnings.push(message) });
  return {
    store,
    warnings,
    attack(sql) {
      const database = new DatabaseSync(path);
      database.exec(sql);
      database.close();
    },
    async finish(spans, isFailed = false) {
      await store.enqueue([{ input: null }]);
      const [claim] = await store.claim({ workerId: 'w' });
      await store.appendSpans(claim!.lease, spans);
      if (isFailed) await store.fail(claim!.lease, { code: 'agent-failed', message: 'it broke' });
      else await store.complete(claim!.lease);
      return claim!.rollout.rolloutId;
    },
    async read(rolloutId) {
      const [rollout] = await store.waitFor([rolloutId]);
      const spans = await store.querySpans({ rolloutIds: [rolloutId], attemptId: 'latest', includeTokens: true });
      return toEpisode(rollout!, spans);
    },
  };
}

describe('a store whose file an agent can reach', () => {
  it('is read as it is while nobody changes it', async () => {
    const { finish, read, warnings } = await open();
    // Half a surrogate pair, and a failed span: whatever a store takes comes back as it was.
    const half = {
      ...span('message', { [attributeNames.messageBody]: '\ud83d \udfff' }),
      status: { code: 'error' as const, message: '\udfff' },
    };
    const { reward: value, transitions, untrainable } = await read(await finish([call(), reward(0.25), half, call()]));
    expect([value, transitions.length, untrainable, warnings]).toEqual([0.25, 2, [], []]);
  });

  it.each([
    ['raised', "UPDATE spans SET body = replace(body, '0.25', '1.0') WHERE kind = 'reward'"],
    ['taken away', "DELETE FROM spans WHERE kind = 'reward'"],
    [
      'added to',
      "INSERT INTO spans SELECT span_key + 9, 'aaaaaaaaaaaaaaaa', attempt_number, kind, name, replace(body, '0.25', '1.0') FROM spans WHERE kind = 'reward'",
    ],
    ['made another span', "UPDATE spans SET kind = 'message' WHERE kind = 'reward'"],
  ])('gives the reward that was written, though it was %s', async (_name, sql) => {
    const { finish, read, attack, warnings } = await open();
    const [good, bad] = [await finish([call(), reward(0.25)]), await finish([call(), reward(0.25)])];
    attack(sql);
    for (const rolloutId of [good, bad]) expect((await read(rolloutId)).reward).toBe(0.25);
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toContain(`somebody else has changed rollout ${good}`);
  });

  it.each([
    ['text', "UPDATE spans SET body = replace(body, 'assistant', 'assistent') WHERE kind = 'model_call'"],
    ['tokens', "UPDATE tokens SET packed = x'0200000001000000010000000200000009000000000000be'"],
    [
      'calls that nobody made',
      "INSERT INTO spans SELECT span_key + 9, 'aaaaaaaaaaaaaaaa', attempt_number, kind, name, body FROM spans WHERE kind = 'model_call'",
    ],
  ])('has nothing trained on that was not written: %s', async (name, sql) => {
    const { finish, read, attack, warnings } = await open();
    const rolloutId = await finish([call(), reward(0.25)]);
    attack(sql);
    const { reward: value, transitions, untrainable } = await read(rolloutId);
    expect(value).toBe(0.25);
    expect(transitions.length).toBeLessThanOrEqual(name === 'calls that nobody made' ? 1 : 0);
    expect(untrainable.map(({ reason }) => reason)).toContainEqual(
      expect.stringContaining('somebody else has changed'),
    );
    expect(warnings).toHaveLength(1);
  });

  it('believes the end that was reported, and no end that nobody reported', async () => {
    const { store, finish, read, attack, warnings } = await open();
    const failed = await finish([call()], true);
    const [queued] = await store.enqueue([{ input: null }]);
    attack("UPDATE rollouts SET status = 'succeeded', failure = NULL, ended_at_ms = 5");
    expect((await read(failed)).rollout).toMatchObject({ status: 'failed', failure: { code: 'agent-failed' } });
    expect((await read(queued!.rolloutId)).rollout).toMatchObject({
      status: 'failed',
      failure: { code: 'store-corrupt' },
    });
    expect(await store.getRollout(failed)).toMatchObject({ status: 'failed' });
    expect((await store.queryRollouts({})).items.map(({ status }) => status)).toEqual(['failed', 'failed']);
    expect(warnings).toHaveLength(2);
  });
});

describe('a store that others write to', () => {
  it('takes their rollouts, attempts and rewards as they are', async () => {
    const shared = new MemoryStore();
    stops.push(() => shared.close());
    const warnings: string[] = [];
    const store = witnessStore(shared, { isExclusive: false, onChanged: (message) => warnings.push(message) });
    const [rollout] = await store.enqueue([{ input: null }]);
    const [claim] = await shared.claim({ workerId: 'elsewhere' });
    await shared.appendSpans(claim!.lease, [call(), reward(0.5)]);
    await shared.complete(claim!.lease);
    const query = { rolloutIds: [rollout!.rolloutId] };
    expect(await store.querySpans(query)).toEqual(await shared.querySpans(query));
    expect(await store.waitFor([rollout!.rolloutId])).toMatchObject([{ status: 'succeeded' }]);
    expect(warnings).toEqual([]);
  });
});
