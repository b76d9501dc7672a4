import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { tracingChannel } from 'node:diagnostics_channel';
import 'ai';
import { expect, it } from 'vitest';

const globals = globalThis as unknown as Record<string, unknown>;
const state = () => [
  globalThis.fetch,
  Object.getOwnPropertyDescriptor(globalThis, 'AI_SDK_DEFAULT_PROVIDER'),
  globals['AI_SDK_TELEMETRY_INTEGRATIONS'],
  tracingChannel('ai:telemetry').start.hasSubscribers,
];

it('changes nothing when it is imported, only when the first agent or model is wrapped', async () => {
  const before = state();
  const { withLightning } = await import('../src/index.ts');
  expect(state()).toEqual(before);
  withLightning(createOpenAICompatible({ name: 'own', baseURL: 'http://own.invalid' })('own-model'));
  for (const [index, value] of state().entries()) expect(value).not.toEqual(before[index]);
});
