import { attributeNames, readReward } from '@agent-lightning/core';
import type { MemoryStore } from '@agent-lightning/store';
import type { Completed, Session } from './stock-session.ts';

const rewards: Readonly<Record<string, number | null>> = { good: 1, bad: 0, noreward: null, crash: null };

/** Returns what is not as it should be in what the stock trainer had, and in our store. */
export async function checkSession(session: Session, store: MemoryStore): Promise<readonly string[]> {
  const problems: string[] = [];
  const expect = (what: string, found: unknown, wanted: unknown): void => {
    const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
    if (a !== b) problems.push(`${what}: ${a}, not ${b}`);
  };
  const questions = (completed: readonly Completed[]): readonly string[] =>
    completed.map(({ question }) => question).toSorted();
  expect('training', questions(session.train), [
    'bad',
    'bad',
    'crash',
    'crash',
    'good',
    'good',
    'noreward',
    'noreward',
  ]);
  expect('validation', questions(session.val), ['good']);
  expect('asynchronous training', questions(session.async), ['bad', 'bad', 'good', 'good']);
  expect('rollouts carried over', session.carried, 0);
  expect('the pause', session.paused, {
    paused: true,
    retry_after_seconds: 5,
    reason: 'rollout_done step=2',
    inflight: 0,
  });
  expect('rollouts left', session.left, []);
  expect('the status of a deleted rollout', session.deleted, 404);
  const all = [
    ...session.train.map((completed) => ({ completed, version: 1, temperature: 1 })),
    ...session.val.map((completed) => ({ completed, version: 1, temperature: 0.7 })),
    ...session.async.map((completed) => ({ completed, version: 2, temperature: 1 })),
  ];
  for (const { completed, version, temperature } of all) {
    checkCompleted(completed, version, expect);
    await checkStored(store, completed, temperature, expect);
  }
  return problems;
}

type Expect = (what: string, found: unknown, wanted: unknown) => void;

function checkCompleted(completed: Completed, version: number, expect: Expect): void {
  const { question, rollout_id: id, triplets } = completed;
  const isCrash = question === 'crash';
  const reward = rewards[question] ?? null;
  expect(
    `${id} (${question})`,
    [completed.state, completed.reward, completed.hook, completed.error],
    [isCrash ? 'failed' : 'succeeded', reward, 'seen', isCrash ? 'subprocess exited with code 1' : null],
  );
  const events = [
    'model_request',
    'model_request',
    ...(reward === null ? [] : ['reward']),
    ...(isCrash ? [] : ['judge']),
  ];
  expect(`the events of ${id}`, completed.events, events);
  expect(
    `the versions of ${id}`,
    triplets.map((each) => each.version),
    [version, version],
  );
  expect(
    `the rewards of ${id}'s triplets`,
    triplets.map((each) => each.reward),
    [null, reward],
  );
  const areWhole = triplets.every(
    ({ prompt, response, log_probs: logProbs }) =>
      prompt.length > 0 && response.length > 0 && logProbs?.length === response.length,
  );
  expect(`tokens of ${id} with their log-probabilities`, areWhole, true);
}

async function checkStored(
  store: MemoryStore,
  completed: Completed,
  temperature: number,
  expect: Expect,
): Promise<void> {
  const { rollout_id: id, question, triplets } = completed;
  expect(`the status of ${id} in our store`, (await store.getRollout(id))?.status, completed.state);
  const spans = await store.querySpans({ rolloutIds: [id], includeTokens: true });
  const calls = spans.filter(({ kind }) => kind === 'model_call');
  expect(
    `tokens of ${id} in our store`,
    calls.map(({ tokens }) => [...(tokens?.response ?? [])]),
    triplets.map((each) => each.response),
  );
  expect(
    `temperatures of ${id}`,
    calls.map(({ attributes }) => attributes[attributeNames.requestTemperature]),
    [temperature, temperature],
  );
  expect(
    `calls of ${id} that must not be trained on`,
    calls.flatMap(({ attributes }) => attributes[attributeNames.untrainable] ?? []),
    [],
  );
  const stored = spans.flatMap((span) => readReward(span)?.dimensions[0]?.value ?? []);
  expect(`rewards of ${id} in our store`, stored, [rewards[question] ?? []].flat());
}
