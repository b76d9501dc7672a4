import { MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { AsyncCaller } from '@langchain/core/utils/async_caller';
import { expect, it } from 'vitest';

const storageKey: symbol = Symbol.for('ls:tracing_async_local_storage');
const globals = globalThis as unknown as Record<symbol, { readonly run: unknown }>;
const state = () => [globalThis.fetch, globals[storageKey]?.run, AsyncCaller.prototype.call];

it('changes nothing when it is imported, only when the first graph is wrapped', async () => {
  const before = state();
  const { withLightning } = await import('../src/index.ts');
  expect(state()).toEqual(before);
  withLightning(
    new StateGraph(MessagesAnnotation)
      .addNode('a', () => ({}))
      .addEdge(START, 'a')
      .compile(),
  );
  for (const [index, value] of state().entries()) expect(value).not.toBe(before[index]);
});
