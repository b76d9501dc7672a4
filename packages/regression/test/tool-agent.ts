import type { RolloutContext } from '@agent-lightning/runner';
import OpenAI from 'openai';

/** A task of adding numbers, by a tool. */
export interface SumTask {
  readonly numbers: readonly number[];
}

export interface ToolAgent {
  readonly system: string;
  readonly stream?: boolean;
  add(numbers: readonly number[]): number;
}

/** The agent as it was recorded. */
export const recordedAgent: ToolAgent = {
  system: 'Add the numbers with the tool.',
  add: (numbers) => numbers.reduce((sum, each) => sum + each, 0),
};

const tools = [{ type: 'function' as const, function: { name: 'add', parameters: { type: 'object' } } }];

/** Asks a model with a tool until it answers; earns 1 for the right sum. */
export async function runAgent(agent: ToolAgent, task: SumTask, { llm }: RolloutContext): Promise<number> {
  const client = new OpenAI({ baseURL: llm.baseUrl, apiKey: llm.apiKey, maxRetries: 0 });
  const messages: OpenAI.ChatCompletionMessageParam[] = [
    { role: 'system', content: agent.system },
    { role: 'user', content: JSON.stringify(task.numbers) },
  ];
  for (let turn = 0; turn < 4; turn++) {
    const request = { model: llm.model, messages, tools };
    const message =
      agent.stream === true
        ? (await client.chat.completions.stream(request).finalChatCompletion()).choices[0]!.message
        : (await client.chat.completions.create(request)).choices[0]!.message;
    messages.push(message);
    const [call] = message.tool_calls ?? [];
    if (call?.type !== 'function') return Number(message.content) === recordedAgent.add(task.numbers) ? 1 : 0;
    const { numbers } = JSON.parse(call.function.arguments) as SumTask;
    messages.push({ role: 'tool', tool_call_id: call.id, content: String(agent.add(numbers)) });
  }
  return 0;
}
