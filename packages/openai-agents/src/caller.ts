import { getCurrentSpan } from '@openai/agents';
import { noAgent, runs } from './listener.ts';

const everyAgent = /(?:)/;

let isFollowed = false;

/** Has the code of agents and tools run as the SDK's current span, once per process. */
export function followCurrentSpan(): void {
  if (isFollowed) return;
  isFollowed = true;
  runs.follow(currentCaller);
}

/** The current span's id; of a model call, that of the turn that makes it. */
function currentCaller(): string | undefined {
  const span = getCurrentSpan();
  const type = (span?.spanData as { readonly type?: unknown } | undefined)?.type;
  const isModelCall = type === 'generation' || type === 'response';
  return (isModelCall ? span?.parentId : span?.spanId) ?? undefined;
}

/** Selects among the agents of the run that is about to begin its first turn, and of those that it hands the conversation to. */
export function selectAgents(agentMatch: RegExp | undefined): void {
  let id = currentCaller();
  while (id !== undefined) {
    const run = runs.get(id);
    if (run === undefined) return;
    const isUnselected = run.agent.agentMatch === noAgent;
    runs.refine(id, agentMatch ?? (isUnselected ? everyAgent : undefined));
    if (run.detail.type === 'task') return;
    id = run.detail.parentId;
  }
}
