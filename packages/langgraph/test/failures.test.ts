import { failureKinds } from '@agent-lightning/core';
import { StructuredOutputParser } from '@langchain/core/output_parsers';
import { tool } from '@langchain/core/tools';
import { END, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { createAgent, modelCallLimitMiddleware, toolCallLimitMiddleware, toolStrategy } from 'langchain';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { chatModel, startServer } from './__fixtures__/servers.ts';

const input = { messages: [{ role: 'user', content: 'q' }] };
const lookup = tool(async ({ key }) => key, {
  name: 'lookup',
  schema: z.object({ key: z.string() }),
  description: 'x',
});
const answer = z.object({ text: z.string() });

/** Starts a model that calls a tool again and again. */
async function startCaller(
  name: string,
  args: { readonly [key: string]: string | number },
): Promise<ReturnType<typeof chatModel>> {
  return chatModel(
    await startServer((_, { index }) => ({ toolCalls: [{ id: `call-${index}`, name, arguments: args }] })),
  );
}

type Changes = {
  readonly middleware?: readonly unknown[];
  readonly responseFormat?: ReturnType<typeof toolStrategy>;
};

/** Runs an agent whose model calls a tool again and again. */
async function runCaller(name: string, args: { readonly [key: string]: string | number }, changes: Changes = {}) {
  const model = await startCaller(name, args);
  await createAgent({ model, tools: [lookup], ...changes } as never).invoke(input, { recursionLimit: 5 });
}

const failures: readonly (readonly [code: string, what: string, provoke: () => unknown])[] = [
  [
    'GraphRecursionError',
    'a graph without end',
    async () => {
      const graph = new StateGraph(MessagesAnnotation).addNode('a', async () => ({})).addEdge(START, 'a');
      await graph
        .addConditionalEdges('a', () => 'a', ['a', END])
        .compile()
        .invoke(input, { recursionLimit: 3 });
    },
  ],
  ['GraphRecursionError', 'an agent that asks for a tool that there is not', () => runCaller('nowhere', {})],
  [
    'ToolCallLimitExceededError',
    'an agent at its limit of tool calls',
    async () => {
      const middleware = [toolCallLimitMiddleware({ runLimit: 1, exitBehavior: 'error' } as never)];
      await runCaller('lookup', { key: 'k' }, { middleware });
    },
  ],
  [
    'ModelCallLimitMiddlewareError',
    'an agent at its limit of model calls',
    async () => {
      const middleware = [modelCallLimitMiddleware({ runLimit: 1, exitBehavior: 'error' } as never)];
      await runCaller('lookup', { key: 'k' }, { middleware });
    },
  ],
  [
    'StructuredOutputParsingError',
    'an answer of another form than was asked for',
    async () => {
      const responseFormat = toolStrategy(answer, { handleError: false });
      const { name } = responseFormat[0]!;
      await runCaller(name, { other: 3 }, { responseFormat });
    },
  ],
  ['OutputParserException', 'a parser', () => StructuredOutputParser.fromZodSchema(answer).parse('no JSON')],
  ['ToolInputParsingException', 'arguments of a tool', () => lookup.invoke({ other: 3 } as never) as unknown],
];

it.each(failures)('sorts %s as the policy’s failure: %s', async (code, _, provoke) => {
  const thrown = await Promise.resolve()
    .then(provoke)
    .catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(Error);
  expect(failureKinds.codeOf(thrown)).toBe(code);
  expect(failureKinds.of({ code, message: String(thrown) })).toBe('policy');
  expect(failureKinds.isTurnLimit({ code, message: '' })).toBe(/Limit|Recursion/.test(code));
});

it('sorts a model that is away as the world’s failure', async () => {
  const server = await startServer();
  await server.close();
  const thrown: unknown = await chatModel(server)
    .invoke('q')
    .catch((error: unknown) => error);
  expect(failureKinds.codeOf(thrown)).toBe('APIConnectionError');
  const busy = await startServer(() => ({ fault: { type: 'status', status: 503 } }));
  const refused: unknown = await chatModel(busy)
    .invoke('q')
    .catch((error: unknown) => error);
  for (const error of [thrown, refused])
    expect(failureKinds.of({ code: failureKinds.codeOf(error), message: '' })).toBe('world');
});
