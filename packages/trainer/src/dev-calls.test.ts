import type { Episode } from '@agent-lightning/core';
import { expect, it } from 'vitest';
import { examineCalls } from './dev-calls.ts';

const episode = {
  transitions: [{ agentName: 'write' }],
  untrainable: [
    { spanId: 's', agentName: 'plan', reason: 'r', outside: { host: 'api.anthropic.com', client: 'Anthropic/JS' } },
    { spanId: 't', agentName: 'write', reason: 'the call failed' },
  ],
  otherCalls: [{ agentName: '', isWrapped: false, host: 'judge.example' }],
} as unknown as Episode;

it('finds fault with a call of a selected agent that went past the policy, and with no other', () => {
  const { ok, findings } = examineCalls([episode, episode], undefined);
  expect(ok).toBe(false);
  expect(findings).toEqual([
    expect.stringMatching(
      /^2 calls of agent plan went to api\.anthropic\.com, not through the gateway \(sent by Anthropic\/JS\); .*allowOutside/,
    ),
  ]);
});

it.each([['plan'], [/^pl/], [['write', 'plan']]])('takes none with it where %s may', (allowed) => {
  expect(examineCalls([episode], allowed)).toMatchObject({ ok: true, findings: [] });
  expect(examineCalls([episode], allowed).table.rows.map(({ fate }) => fate)).toEqual([
    'trained',
    'not trained',
    'went past',
    'outside agents',
  ]);
  expect(examineCalls([episode], 'write').ok).toBe(false);
});
