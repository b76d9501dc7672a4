import type { Episode } from '@agent-lightning/core';
import { expect, it } from 'vitest';
import { describeOutsideCalls } from './agents-seen.ts';

const episodeWith = (outside: { readonly host?: string }): Episode =>
  ({ untrainable: [{ spanId: 's', agentName: 'plan', reason: '', outside }] }) as unknown as Episode;

it.each([
  [{ host: 'api.anthropic.com' }, /^1 call of agent plan went to api\.anthropic\.com.*global fetch/],
  [{ host: 'generativelanguage.googleapis.com' }, /Google is not redirected.*ChatOpenAI.*withLightning\(model\)/],
  [{ host: 'bedrock-runtime.us-east-1.amazonaws.com' }, /Amazon Bedrock is not redirected/],
  [{}, /no HTTP request was seen/],
])('says of a call past the gateway what to do: %o', (outside, message) => {
  expect(describeOutsideCalls([episodeWith(outside)])).toEqual([expect.stringMatching(message)]);
});
