import { Agent, getGlobalTraceProvider, Runner } from '@openai/agents';
import { expect, it } from 'vitest';

const state = () => [globalThis.fetch, Runner.prototype.run, getGlobalTraceProvider().createSpan];

it('changes nothing when it is imported, only when the first agent is wrapped', async () => {
  const before = state();
  const { withLightning } = await import('../src/index.ts');
  expect(state()).toEqual(before);
  withLightning(new Agent({ name: 'writer' }));
  for (const [index, value] of state().entries()) expect(value).not.toBe(before[index]);
});
