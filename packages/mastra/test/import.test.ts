import { Agent } from '@mastra/core/agent';
import { expect, it } from 'vitest';

const state = () => [
  globalThis.fetch,
  ...['generate', 'stream', 'resolveModelConfig'].map((name) => Object.getOwnPropertyDescriptor(Agent.prototype, name)),
];

it('changes nothing when it is imported, and then only the redirect and what is wrapped', async () => {
  const bare = new Agent({ id: 'bare', name: 'bare', instructions: 'Write.', model: 'openai/gpt-5' });
  const [before, prototype] = [state(), Object.getPrototypeOf(bare) as object];
  const { withLightning } = await import('../src/index.ts');
  expect(state()).toEqual(before);
  withLightning(new Agent({ id: 'writer', name: 'writer', instructions: 'Write.', model: 'openai/gpt-5' }));
  const [fetchBefore, ...methods] = before;
  expect(state()[0]).not.toBe(fetchBefore);
  expect(state().slice(1)).toEqual(methods);
  expect(Object.getPrototypeOf(bare)).toBe(prototype);
});
