import type { AdapterScenario } from './adapter-under-test.ts';

/** The scenarios of one run. */
export type TraceScenario = Exclude<
  AdapterScenario,
  | 'two runs interleaved'
  | '20 concurrent runs'
  | 'wrapped twice'
  | 'outside a rollout'
  | 'original unchanged'
  | 'client built before'
  | 'own telemetry'
  | 'own client'
  | 'hostile tools'
  | 'prompts replaced'
  | 'promoted prompts'
>;

type Server = 'own' | 'policy';

/** The trace of `boss`, which asks `helper` by a tool, where each is answered by one of two servers. */
export function nestedTrace(boss: Server, helper: Server): readonly string[] {
  return [
    'agent boss',
    `  model_call ${boss}/boss/1`,
    '  tool_call ask_helper {"input":"help with q"} → answer of helper',
    '    agent helper',
    `      model_call ${helper}/helper/1`,
    `  model_call ${boss}/boss/2`,
  ];
}

/** The trace of each scenario, the same for every framework: see `outlineTrace` for how to read it. */
export const goldenTraces: Readonly<Record<TraceScenario, readonly string[]>> = {
  'single turn': [
    'agent assistant', //
    '  model_call policy/assistant/1',
  ],
  'tool call': [
    'agent assistant',
    '  model_call policy/assistant/1',
    '  tool_call lookup {"key":"k1"} → value of k1',
    '    message looking up k1',
    '  model_call policy/assistant/2',
  ],
  'parallel tools': [
    'agent assistant',
    '  model_call policy/assistant/1',
    '  tool_call lookup {"key":"k1"} → value of k1',
    '    message looking up k1',
    '  tool_call lookup {"key":"k2"} → value of k2',
    '    message looking up k2',
    '  model_call policy/assistant/2',
  ],
  handoff: [
    'agent triage', //
    '  model_call policy/triage/1',
    'agent billing',
    '  model_call policy/billing/1',
  ],
  'nested run': nestedTrace('policy', 'policy'),
  streaming: [
    'agent assistant',
    '  model_call policy/assistant/1',
    '  tool_call lookup {"key":"k1"} → value of k1',
    '    message looking up k1',
    '  model_call policy/assistant/2',
  ],
  abort: [
    'agent assistant ! error', //
    '  model_call ! error',
  ],
  'model error': [
    'agent assistant ! error', //
    '  model_call ! error',
  ],
  'model error with retry': [
    'agent assistant', //
    '  model_call policy/assistant/3',
  ],
  'tool error': [
    'agent assistant',
    '  model_call policy/assistant/1',
    '  tool_call lookup {"key":"k1"} ! error',
    '    message looking up k1',
    '  model_call policy/assistant/2',
  ],
  'agentMatch subset': nestedTrace('own', 'policy'),
  'tracing only': [
    'agent assistant',
    '  model_call own/assistant/1',
    '  tool_call lookup {"key":"k1"} → value of k1',
    '    message looking up k1',
    '  model_call own/assistant/2',
  ],
  'production mode': [
    'agent assistant',
    '  model_call own/assistant/1',
    '  tool_call lookup {"key":"k1"} → value of k1',
    '    message looking up k1',
    '  model_call own/assistant/2',
    'reward reward',
  ],
};
