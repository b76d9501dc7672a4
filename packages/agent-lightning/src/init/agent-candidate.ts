import type { FrameworkId } from '../project/frameworks.ts';

/**
 * The kinds of things that can be wrapped and run: a compiled graph of LangGraph, an agent, a Mastra instance with agents, a workflow, and a
 * function that calls a model through the AI SDK.
 */
export type AgentKind = 'graph' | 'agent' | 'instance' | 'workflow' | 'function';

/** The input of an agent: chat messages in a state, a list of chat messages, one text, or an object with these fields. */
export type AgentInput =
  | { readonly form: 'messages' | 'message-list' | 'text' }
  | { readonly form: 'fields'; readonly fields: readonly string[] };

/** The thing that was recognized in one expression. */
export interface RecognizedAgent {
  readonly framework: FrameworkId;
  readonly kind: AgentKind;
  readonly input: AgentInput;
  /** The keys of the agents that a Mastra instance registers; empty for everything else. */
  readonly registered: readonly string[];
}

/** An agent that was found in the sources of a project. */
export interface AgentCandidate extends RecognizedAgent {
  /** The file, relative to the project, with forward slashes. */
  readonly file: string;
  /** The name of the export, `default` among them; undefined where the file keeps the agent to itself. */
  readonly exportName: string | undefined;
  /** The name that it has within the file, or that of the export. */
  readonly name: string;
  readonly line: number;
  /** True where the export is a function without parameters that makes the agent. */
  readonly isFactory: boolean;
  /** The number of arguments that a function needs; only a function of one can be given a task. 1 for what is no function. */
  readonly needs: number;
  /** True where the file is CommonJS, whose whole exports are its default import. */
  readonly isCommonJs: boolean;
  /** The agents that this one uses, as `file#name`. */
  readonly uses: ReadonlySet<string>;
  /** True where importing the file seems to run the agent at once. */
  readonly runsOnImport: boolean;
}
