import type { LightningOptions } from '@agent-lightning/ai-sdk';
import type { Script } from './provider/script.ts';

/** One way of using a framework, as its documentation shows it. */
export interface Idiom {
  readonly name: string;
  /** The page of the documentation that shows it. */
  readonly source: string;
  /** What the models of each agent reply. @default one text for each agent */
  readonly script?: Script;
  /** The number of calls of each agent that go to the policy. */
  readonly selected: CallCounts;
  /** The number of calls of each agent that keep their model. @default none */
  readonly kept?: CallCounts;
  /** Agents whose calls the adapter cannot trace: those outside every wrapped agent, and those that the framework reports to nobody. @default none */
  readonly untraced?: readonly string[];
  /** True where the app lets its rollouts call one after the other, so that no call may wait for those of the others. @default false */
  readonly isSerial?: boolean;
  /** Builds the app once, as a program does at its start; it then serves every rollout. */
  build(surroundings: Surroundings): Ask | Promise<Ask>;
}

/** Calls by agent: the name that the agent's prompt gives it, in `You are <name>.` */
export type CallCounts = Readonly<Record<string, number>>;

/** Puts one question to the app and resolves with everything that a user of it sees, as JSON. */
export type Ask = (question: string) => Promise<unknown>;

/** What an app finds around it: the providers that it pays, and `withLightning`, which does nothing in the app as it was before. */
export interface Surroundings {
  /** The base URL of the OpenAI provider; ends in `/v1`. */
  readonly openai: string;
  /** The base URL of the Anthropic provider, as Anthropic's own clients take it: without `/v1`. */
  readonly anthropic: string;
  readonly apiKey: string;
  readonly wrap: Wrap;
}

/** `withLightning` of a framework, or the identity; the AI SDK's takes a name. */
export type Wrap = <Wrapped>(target: Wrapped, options?: LightningOptions) => Wrapped;
