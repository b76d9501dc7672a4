/** Lists the frameworks that an adapter exists for, and by what a project that uses one is recognized. */

/** The name of a framework on the command line. */
export type FrameworkId = 'langgraph' | 'openai-agents' | 'ai-sdk' | 'mastra';

/** Describes a framework, its adapter, and the versions of it that the adapter takes. */
export interface Framework {
  readonly id: FrameworkId;
  readonly title: string;
  /** The npm name of the adapter. */
  readonly adapter: string;
  /** The packages of which a project that uses the framework depends on at least one. */
  readonly packages: readonly string[];
  /** The peer dependencies of the adapter: package name → range. A test holds them to the adapter's own package.json. */
  readonly peers: Readonly<Record<string, string>>;
}

/** The frameworks, in the order in which they are tried: Mastra first, for its projects use the AI SDK as well. */
export const frameworks: readonly Framework[] = [
  {
    id: 'mastra',
    title: 'Mastra',
    adapter: '@agent-lightning/mastra',
    packages: ['@mastra/core'],
    peers: { '@mastra/core': '>=1.33.0-0 <2.0.0-0' },
  },
  {
    id: 'langgraph',
    title: 'LangGraph.js',
    adapter: '@agent-lightning/langgraph',
    packages: ['@langchain/langgraph', 'langchain', 'deepagents'],
    peers: { '@langchain/core': '^1.1.48', '@langchain/langgraph': '^1.4.0' },
  },
  {
    id: 'openai-agents',
    title: 'OpenAI Agents JS',
    adapter: '@agent-lightning/openai-agents',
    packages: ['@openai/agents', '@openai/agents-core'],
    peers: { '@openai/agents': '>=0.18 <1' },
  },
  {
    id: 'ai-sdk',
    title: 'Vercel AI SDK',
    adapter: '@agent-lightning/ai-sdk',
    packages: ['ai'],
    peers: { ai: '>=7.0.0 <8' },
  },
];

/** Returns the framework of a name. */
export function getFramework(id: FrameworkId): Framework {
  return frameworks.find((framework) => framework.id === id)!;
}
