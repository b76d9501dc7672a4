import type { JsonValue } from './json.ts';

/** Settings of sampling; an absent field means the engine's default. */
export interface SamplingParameters {
  readonly temperature?: number;
  readonly topP?: number;
  readonly maxTokens?: number;
  readonly seed?: number;
}

/** The endpoint that an agent's model calls go to during one attempt. */
export interface LlmEndpoint {
  /** Ends in `/v1`; give it to any OpenAI client as its base URL. */
  readonly baseUrl: string;
  /** The key; it is valid for this attempt only. */
  readonly apiKey: string;
  readonly model: string;
  readonly sampling: SamplingParameters;
  /**
   * True where the agent's own model answers there, and not a policy: calls are handed on as they are, but for prompts that a search tries. Agents of other processes
   * need it; those of this process ask their model themselves. @default false
   */
  readonly isOwn?: boolean;
}

/** Something that agents use and training improves. */
export type Resource =
  | {
      readonly type: 'llm';
      readonly model: string;
      readonly policyVersion: number;
      readonly sampling: SamplingParameters;
    }
  | { readonly type: 'prompt_template'; readonly template: string; readonly engine: 'f-string' | 'jinja' }
  | { readonly type: 'json'; readonly value: JsonValue };

export type NamedResources = Readonly<Record<string, Resource>>;

/** One kept version of a set of resources. */
export interface ResourcesVersion {
  readonly resourcesId: string;
  /** 1 for the first version of this id, then one more each. */
  readonly version: number;
  readonly resources: NamedResources;
  readonly createdAtMs: number;
}
