import type { BaseMessage } from '@langchain/core/messages';
import { Annotation, entrypoint, START, StateGraph } from '@langchain/langgraph';
import { expectTypeOf, test } from 'vitest';
import { withLightning } from './with-lightning.ts';

const State = Annotation.Root({
  question: Annotation<string>,
  turns: Annotation<number>,
  messages: Annotation<BaseMessage[]>,
});
const graph = new StateGraph(State)
  .addNode('write', () => ({ turns: 1 }))
  .addEdge(START, 'write')
  .compile();
const wrapped = withLightning(graph, { agentMatch: /write/ });

test('the wrapped graph has the type of the graph', () => {
  expectTypeOf(wrapped).toEqualTypeOf<typeof graph>();
  expectTypeOf(withLightning(wrapped)).toEqualTypeOf<typeof graph>();
});

test('results are typed', async () => {
  expectTypeOf(await wrapped.invoke({ question: 'q' })).toEqualTypeOf<typeof State.State>();
  expectTypeOf((await wrapped.invoke({ question: 'q' })).turns).toEqualTypeOf<number>();
  for await (const update of await wrapped.stream({ question: 'q' }, { streamMode: 'updates' })) {
    expectTypeOf(update.write).toExtend<Partial<typeof State.State> | undefined>();
  }
  expectTypeOf(await wrapped.batch([{ question: 'q' }])).toEqualTypeOf<(typeof State.State)[]>();
});

test('wrong inputs are still rejected', () => {
  // @ts-expect-error the question is a string
  void wrapped.invoke({ question: 7 });
  // @ts-expect-error there is no such node
  void wrapped.nodes.read;
  // @ts-expect-error agentMatch is a regular expression, a name or names
  withLightning(graph, { agentMatch: 7 });
  // @ts-expect-error a builder has no withConfig: compile it first
  withLightning(new StateGraph(State));
});

test('a wrapped graph is a node, and a workflow keeps its type', async () => {
  const outer = new StateGraph(State).addNode('sub', wrapped).addEdge(START, 'sub').compile();
  expectTypeOf(withLightning(outer)).toEqualTypeOf<typeof outer>();
  const flow = entrypoint('flow', async (text: string) => text.length);
  expectTypeOf(withLightning(flow)).toEqualTypeOf<typeof flow>();
  expectTypeOf(await withLightning(flow).invoke('text')).toEqualTypeOf<number>();
});
