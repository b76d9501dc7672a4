import { emitMessage, type AgentOptions } from '@agent-lightning/tracing';
import type { AgentSpec, FunctionToolSpec } from './adapter-under-test.ts';
import { instructionsOf, type AgentScript } from './scripted-agents.ts';

/** An agent of a scenario, and the replies of its models. */
export interface ScenarioAgent {
  readonly spec: AgentSpec;
  readonly script: AgentScript;
  /** The text that the run resolves with. */
  readonly answer: string;
}

/** Returns a tool that emits a message about its key, so that the trace shows which call it ran as. */
function lookupTool(execute: (key: string) => Promise<string>): FunctionToolSpec {
  return {
    name: 'lookup',
    description: 'Looks up the value of a key.',
    parameters: ['key'],
    execute: ({ key = '' }) => {
      emitMessage(`looking up ${key}`);
      return execute(key);
    },
  };
}

function assistant(tools: readonly FunctionToolSpec[], script: AgentScript): ScenarioAgent {
  return {
    spec: { name: 'assistant', instructions: instructionsOf('assistant'), tools },
    script,
    answer: 'answer of assistant',
  };
}

/** Returns an agent that makes one call and has no tools. */
export function plainAgent(): ScenarioAgent {
  return assistant([], () => 'answer of assistant');
}

/** Returns an agent that calls `lookup` for each key in its first reply, then answers. */
export function lookupAgent(
  keys: readonly string[] = ['k1'],
  execute: (key: string) => Promise<string> = (key) => Promise.resolve(`value of ${key}`),
): ScenarioAgent {
  const toolCalls = keys.map((key) => ({ name: 'lookup', arguments: { key } }));
  return assistant([lookupTool(execute)], ({ turn }) => (turn === 1 ? { toolCalls } : 'answer of assistant'));
}

/** Returns an agent that calls `lookup` for two keys, neither of which is found before both are looked for. */
export function parallelAgent(): ScenarioAgent {
  const { promise: areBothBegun, resolve } = Promise.withResolvers<void>();
  let begun = 0;
  return lookupAgent(['k1', 'k2'], async (key) => {
    if (++begun === 2) resolve();
    await areBothBegun;
    return `value of ${key}`;
  });
}

/** Returns an agent whose tool throws; the model answers all the same. */
export function failingToolAgent(): ScenarioAgent {
  return lookupAgent(['k1'], () => Promise.reject(new RangeError('no such key')));
}

/** Returns the agent `triage`, which gives the conversation to `billing`, which answers. */
export function handoffAgent(): ScenarioAgent {
  const billing: AgentSpec = { name: 'billing', instructions: instructionsOf('billing') };
  return {
    spec: { name: 'triage', instructions: instructionsOf('triage'), handoffs: [billing] },
    script: ({ agent }) =>
      agent === 'triage' ? { toolCalls: [{ name: 'transfer_to_billing', arguments: {} }] } : 'answer of billing',
    answer: 'answer of billing',
  };
}

/** Returns the agent `boss`, which asks the agent `helper` by a tool; `wrap` holds the options of the helper's own wrapper, where it has one. */
export function nestedAgent(wrap?: AgentOptions): ScenarioAgent {
  const helper: AgentSpec = { name: 'helper', instructions: instructionsOf('helper'), ...(wrap && { wrap }) };
  return {
    spec: {
      name: 'boss',
      instructions: instructionsOf('boss'),
      tools: [{ name: 'ask_helper', description: 'Asks the helper.', agent: helper }],
    },
    script: ({ agent, turn }) =>
      agent === 'boss' && turn === 1
        ? { toolCalls: [{ name: 'ask_helper', arguments: { input: 'help with q' } }] }
        : `answer of ${agent}`,
    answer: 'answer of boss',
  };
}
