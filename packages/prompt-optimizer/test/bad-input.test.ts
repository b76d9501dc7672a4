/** What goes wrong around a search: each is named, and nothing is lost. A prompt that no rollout uses, and a budget that is too small, are in gepa.test.ts and apo.test.ts. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createSearch as createApo } from './capitals/apo-search.ts';
import { answerCapital, answerPrompt, capitalTasks, scriptReflection } from './capitals/capital-agent.ts';
import { createSearch as createGepa } from './capitals/gepa-search.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

it('a reflection model that is rate limited ends the run by name, and the run goes on when it is not', async () => {
  let requests = 0;
  const server = createServer((_, response) => {
    requests += 1;
    response.writeHead(429, { 'retry-after': '0' }).end('{"error":{"message":"quota of the minute"}}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const search = await createGepa({ reflection: { baseUrl, model: 'reflector' } });
  await expect(search.trainer.fit({ train: capitalTasks, steps: 9 })).rejects.toMatchObject({
    code: 'upstream-failed',
    message: expect.stringMatching(/gepa\.reflection has not answered in 3 steps \(.*reflector.*429/),
  });
  expect(requests).toBe(3 * 3); // asked three times in each step
  const { runDirectory, store } = search;
  const again = await createGepa({ reflection: scriptReflection(1) }, { runDirectory, store });
  expect((await again.trainer.fit({ train: capitalTasks, steps: 9, resume: true })).steps).toBeGreaterThan(3);
});

describe.each([
  ['garbage', '```\nDo this.\n```\nor\n```\nDo that.\n```', 'it is not clear which text is the prompt'],
  ['the same text', `<new_prompt>${answerPrompt.text}</new_prompt>`, 'the new text is the old one'],
  ['nothing', '<new_prompt></new_prompt>', 'it is empty'],
])('a reflection model that always answers %s', (_, answer, reason) => {
  it.each([
    ['gepa', createGepa],
    ['apo', createApo],
  ] as const)('ends the search by %s after nine steps, by name, with its result', async (owner, create) => {
    const search = await create({ reflection: async () => answer });
    const result = await search.trainer.fit({ train: capitalTasks, validation: capitalTasks.slice(0, 2), steps: 40 });
    expect(result).toMatchObject({ stopReason: 'converged', steps: 9, validationAfter: 0.25 });
    const told = search.lines.join('\n');
    expect(told).toContain(reason);
    expect(told).toContain(`${owner}.reflection has given no prompt that could be run in 9 steps`);
    expect(existsSync(join(search.runDirectory, 'model/prompts/answer.md'))).toBe(true);
  });
});

it('a reward that is the same whatever is tried ends the search by name', async () => {
  let requests = 0;
  const search = await createGepa(
    { reflection: async () => `<new_prompt>${answerPrompt.text} ${(requests += 1)}</new_prompt>` },
    { rollout: (task) => (answerCapital(task) === '' ? 1 : 0.3) },
  );
  await expect(search.trainer.fit({ train: capitalTasks, steps: 40 })).rejects.toMatchObject({
    code: 'no-signal',
    message: expect.stringMatching(
      /all \d+ rollouts of 10 prompts had the reward 0\.3, so nothing tells a better prompt/,
    ),
  });
});
