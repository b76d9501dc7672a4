import { BaseCallbackHandler } from '@langchain/core/callbacks/base';
import { awaitAllCallbacks } from '@langchain/core/callbacks/promises';
import { LangChainTracer } from '@langchain/core/tracers/tracer_langchain';
import { Client } from 'langsmith';

/** A callback handler and a LangSmith tracer, as an app gives them to its graph. */
export interface Watchers {
  readonly callbacks: readonly BaseCallbackHandler[];
  heard(): Promise<readonly string[]>;
}

export function createWatchers(): Watchers {
  const lines: string[] = [];
  const { tracer, client } = createTracer(lines);
  return {
    callbacks: [createHandler(lines), tracer],
    async heard() {
      await awaitAllCallbacks();
      await client.awaitPendingTraceBatches();
      return lines.splice(0);
    },
  };
}

function createHandler(lines: string[]): BaseCallbackHandler {
  const hear =
    (event: string) =>
    (...given: unknown[]): void =>
      void lines.push(`callback ${event}${typeof given[7] === 'string' ? ` ${given[7]}` : ''}`);
  return BaseCallbackHandler.fromMethods({
    handleChainStart: hear('chain start'),
    handleChainEnd: hear('chain end'),
    handleChatModelStart: hear('model start'),
    handleLLMEnd: hear('model end'),
    handleToolStart: hear('tool start'),
    handleToolEnd: hear('tool end'),
  });
}

/** Makes LangSmith's tracer, whose requests are kept instead of sent. */
function createTracer(lines: string[]): { readonly tracer: LangChainTracer; readonly client: Client } {
  const client = new Client({
    apiUrl: 'http://langsmith.invalid',
    apiKey: 'langsmith-key',
    autoBatchTracing: false,
    fetchImplementation: async (input, init) => {
      const { name, run_type: type, error } = JSON.parse(await new Response(init?.body ?? null).text()) as Record<
        string,
        unknown
      >;
      if (init?.method === 'POST') lines.push(`langsmith ${String(type)} ${String(name)} begins`);
      else lines.push(`langsmith ${new URL(String(input)).pathname.split('/')[1]} ends${error ? ` ${String(error)}` : ''}`);
      return Response.json({});
    },
  });
  return { client, tracer: new LangChainTracer({ client, projectName: 'own' }) };
}
