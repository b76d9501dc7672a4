import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import type { Exchange, RecordedReply } from './exchange.ts';

/** What a reply says, whatever its dialect; read without the gateway's code. */
export interface Said {
  readonly reasoning: string;
  readonly text: string;
  readonly calls: readonly { readonly name: string; readonly arguments: unknown }[];
  readonly end: 'stop' | 'tool_calls' | 'length' | 'refusal';
}

interface Payload {
  readonly choices: readonly {
    readonly index: number;
    readonly message?: Delta;
    readonly delta?: Delta;
    readonly finish_reason: string | null;
    readonly token_ids?: readonly number[];
  }[];
}

interface Delta {
  readonly content?: string | null;
  readonly refusal?: string | null;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly { readonly index?: number; readonly function: { name?: string; arguments: string } }[];
}

/** The JSON documents of a reply: the one of a whole reply, each of a stream. */
export function payloadsOf(reply: RecordedReply): unknown[] {
  if (!reply.type.startsWith('text/event-stream')) return [JSON.parse(reply.text)];
  return reply.text
    .split('\n')
    .filter((line) => line.startsWith('data: ') && line !== 'data: [DONE]')
    .map((line) => JSON.parse(line.slice(6)) as unknown);
}

/** The sampled ids of each choice, straight from the upstream's text. */
export function tokenIdsOf(reply: RecordedReply): number[][] {
  const ids: number[][] = [];
  for (const { choices } of payloadsOf(reply) as Payload[])
    for (const { index, token_ids: more = [] } of choices) (ids[index] ??= []).push(...more);
  return ids;
}

/** What an upstream's chat reply says. */
export function saidUpstream(reply: RecordedReply): Said {
  const said = { reasoning: '', text: '', refusal: '', end: '' };
  const calls: { name: string; text: string }[] = [];
  for (const { choices } of payloadsOf(reply) as Payload[])
    for (const choice of choices) {
      const delta = choice.message ?? choice.delta ?? {};
      said.reasoning += delta.reasoning_content ?? '';
      said.text += delta.content ?? '';
      said.refusal += delta.refusal ?? '';
      said.end = choice.finish_reason ?? said.end;
      for (const [position, { index = position, function: called }] of (delta.tool_calls ?? []).entries()) {
        const call = (calls[index] ??= { name: '', text: '' });
        call.name += called.name ?? '';
        call.text += called.arguments;
      }
    }
  return {
    reasoning: said.reasoning,
    text: said.text + said.refusal,
    calls: calls.map(({ name, text }) => ({ name, arguments: JSON.parse(text) as unknown })),
    end: said.refusal === '' ? (said.end as Said['end']) : 'refusal',
  };
}

/** Gives an official client a recorded reply. */
function replay(reply: RecordedReply): () => Promise<Response> {
  return () =>
    Promise.resolve(new Response(reply.text, { status: reply.status, headers: { 'content-type': reply.type } }));
}

async function saidInResponse({ request, agent }: Exchange): Promise<Said> {
  const client = new OpenAI({ apiKey: 'none', baseURL: 'http://replay/v1', maxRetries: 0, fetch: replay(agent) });
  const asked = request as unknown as OpenAI.Responses.ResponseCreateParamsNonStreaming;
  const response =
    request['stream'] === true
      ? await client.responses.stream({ ...asked, stream: true }).finalResponse()
      : await client.responses.create(asked);
  const parts = response.output.flatMap((item) => (item.type === 'message' ? item.content : []));
  const calls = response.output.flatMap((item) => (item.type === 'function_call' ? [item] : []));
  const isRefusal = parts.some((part) => part.type === 'refusal');
  const whole = isRefusal ? 'refusal' : calls.length > 0 ? 'tool_calls' : 'stop';
  return {
    reasoning: response.output
      .flatMap((item) => (item.type === 'reasoning' ? (item.content ?? []) : []))
      .map((part) => part.text)
      .join(''),
    text: parts.map((part) => (part.type === 'refusal' ? part.refusal : part.text)).join(''),
    calls: calls.map((call) => ({ name: call.name, arguments: JSON.parse(call.arguments) as unknown })),
    end: response.status === 'incomplete' ? 'length' : whole,
  };
}

const ends = { end_turn: 'stop', tool_use: 'tool_calls', max_tokens: 'length', refusal: 'refusal' } as const;

async function saidInMessage({ request, agent }: Exchange): Promise<Said> {
  const client = new Anthropic({ apiKey: 'none', baseURL: 'http://replay', maxRetries: 0, fetch: replay(agent) });
  const asked = request as unknown as Anthropic.MessageCreateParamsNonStreaming;
  const message =
    request['stream'] === true
      ? await client.messages.stream({ ...asked, stream: true }).finalMessage()
      : await client.messages.create(asked);
  return {
    reasoning: message.content.map((block) => (block.type === 'thinking' ? block.thinking : '')).join(''),
    text: message.content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    calls: message.content.flatMap((block) =>
      block.type === 'tool_use' ? [{ name: block.name, arguments: block.input }] : [],
    ),
    end: ends[message.stop_reason as keyof typeof ends],
  };
}

/** What an agent's official client makes of a translated reply. @throws the client's error for a reply that says one */
export function saidToAgent(exchange: Exchange): Promise<Said> {
  return exchange.dialect === 'responses' ? saidInResponse(exchange) : saidInMessage(exchange);
}
