import { createServer, type IncomingMessage, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { currentRollout, installFetchRedirect, runInSpan } from '@agent-lightning/tracing';
import type { CapitalTask } from './capital-agent.ts';

/** A model call that the scripted server got. */
export interface ReceivedCall {
  readonly system: string;
  readonly tool: string;
  readonly question: string;
  readonly authorization: string | undefined;
}

interface Body {
  readonly stream?: boolean;
  readonly messages: readonly { readonly content: string }[];
  readonly tools?: readonly [{ readonly function: { readonly description: string } }];
}

/** A hosted model that follows its system message to the letter: it answers with the city, in the form that the message asks for. */
export async function startHostedModel(tasks: readonly CapitalTask[]) {
  const received: ReceivedCall[] = [];
  const server: Server = createServer(async (request, response) => {
    const { messages, tools, stream } = await readBody(request);
    const [system, question] = messages.map(({ content }) => content) as [string, string];
    const tool = tools?.[0].function.description ?? '';
    received.push({ system, tool, question, authorization: request.headers.authorization });
    const city = tasks.find(({ country }) => question.includes(country))?.city ?? 'nowhere';
    const short = system.includes('Answer with one word.') ? city : `The capital is ${city}`;
    const answer = system.includes('Write in capital letters.') ? short.toUpperCase() : short;
    const content = system.includes('End with a full stop.') ? `${answer}.` : answer;
    const usage = { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 };
    if (stream === true) {
      response.setHeader('content-type', 'text/event-stream');
      const pieces = [{ choices: [{ index: 0, delta: { content } }] }, { choices: [], model: 'hosted', usage }];
      return void response.end(
        pieces.map((piece) => `data: ${JSON.stringify(piece)}\n\n`).join('') + 'data: [DONE]\n\n',
      );
    }
    response.setHeader('content-type', 'application/json');
    return void response.end(JSON.stringify({ choices: [{ message: { role: 'assistant', content } }], usage }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => void (server.closeAllConnections(), server.close());
  return { received, close, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
}

async function readBody(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as Body;
}

/** Asks the hosted model as the agent `capitals`, by the hooks that adapters use; nothing in it knows of prompts. */
export async function askHostedModel(
  baseUrl: string,
  { country }: CapitalTask,
  {
    names = ['capitals'],
    system = `Name the capital. The country is ${country}.`,
  }: { names?: readonly string[]; system?: string } = {},
): Promise<string> {
  installFetchRedirect();
  const scope = currentRollout();
  const work = async (): Promise<string> => {
    const tool = { name: 'search', description: 'Searches an atlas.', parameters: { type: 'object', properties: {} } };
    const response = await fetch(`${baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer own-key', 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'hosted',
        messages: [
          { role: 'system', content: system },
          { role: 'user', content: `What is the capital of ${country}?` },
        ],
        tools: [{ type: 'function', function: tool }],
      }),
    });
    const { choices } = (await response.json()) as { choices: [{ message: { content: string } }] };
    return choices[0].message.content;
  };
  if (scope === undefined) return await work();
  const { attemptId } = scope.attempt;
  return await runInSpan({ attemptId, spanId: '00000000000000aa', agent: { names, wrappers: [{}] } }, work);
}
