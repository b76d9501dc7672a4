import { gatewayHeaders } from '@agent-lightning/tracing';
import type { RecordedCall, Responder } from '../model-server/model-server.ts';
import type { ChatRequest, ScriptedReply } from '../model-server/scripted-reply.ts';

/** A model call of a scenario: the agent that makes it, and its number among that agent's calls on this question, from 1. */
export interface AgentTurn {
  readonly agent: string;
  readonly turn: number;
  readonly call: RecordedCall;
}

/** Returns the model's reply on a turn; the response id is added. */
export type AgentScript = (turn: AgentTurn) => ScriptedReply | string | Promise<ScriptedReply | string>;

/** Returns a responder that answers each agent's turns, with the response id `{server}/{agent}/{turn}`. */
export function scriptAgents(server: string, script: AgentScript): Responder {
  const turns = new Map<string, number>();
  return async (request, call) => {
    const agent = agentOf(request);
    const question = `${agent} ${questionOf(request)}`;
    const turn = (turns.get(question) ?? 0) + 1;
    turns.set(question, turn);
    const reply = await script({ agent, turn, call });
    return { id: `${server}/${agent}/${turn}`, ...(typeof reply === 'string' ? { content: reply } : reply) };
  };
}

/** Returns the instructions with which an agent introduces itself. */
export function instructionsOf(agent: string): string {
  return `You are ${agent}. Answer the question.`;
}

function agentOf(request: ChatRequest): string {
  return /You are (\w+)\./.exec(JSON.stringify(request.messages[0] ?? ''))?.[1] ?? 'nobody';
}

/** Returns the first user message, which tells the runs of many rollouts on one server apart. */
function questionOf(request: ChatRequest): string {
  return JSON.stringify(request.messages.find(({ role }) => role === 'user')?.content ?? '');
}

/** Returns the names that the adapter sent with a call, most specific first; none when it sent none. */
export function agentNamesOf(call: RecordedCall): readonly string[] {
  const header = call.headers[gatewayHeaders.agentNames];
  return typeof header === 'string' ? (JSON.parse(decodeURIComponent(header)) as string[]) : [];
}

/** Returns the id of the span that the adapter placed a call under. */
export function parentSpanOf(call: Pick<RecordedCall, 'headers'>): string | undefined {
  const header = call.headers[gatewayHeaders.traceParent];
  return typeof header === 'string' ? header.split('-')[2] : undefined;
}
