import { isCancel, select } from '@clack/prompts';
import { TimeoutError } from '@agent-lightning/core';
import { getFramework } from '../project/frameworks.ts';
import type { AgentCandidate } from './agent-candidate.ts';
import { nameAgent } from './choose-agent.ts';

/** Asks on the terminal which agent is to be trained. @throws {TimeoutError} `cancelled` when the user ends the question */
export async function askAgent(agents: readonly AgentCandidate[]): Promise<AgentCandidate> {
  const answer = await select({
    message: 'Which agent do you want to train?',
    options: agents.map((agent, value) => ({
      value,
      label: nameAgent(agent),
      hint: `${agent.kind}, ${getFramework(agent.framework).title}`,
    })),
  });
  if (isCancel(answer)) throw new TimeoutError('init was cancelled; nothing was changed.', { code: 'cancelled' });
  return agents[answer]!;
}
