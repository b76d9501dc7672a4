import type { AgentMatch } from '../vocabulary/agent-match.ts';
import type { Claim } from './lightning-store.ts';
import type { LlmEndpoint } from '../vocabulary/resources.ts';
import type { PolicySnapshot } from './training-backend.ts';

/** The part of a gateway that a runner needs: a URL and a key for each attempt, and all of its calls stored when it ends. */
export interface ModelGateway {
  /** Opens the attempt's URL and mints its key. */
  openAttempt(claim: Claim): Promise<LlmEndpoint>;
  /**
   * Resolves when every captured call of the attempt is in the store; the key is not valid afterwards. Repeating it stores what failed before.
   * @throws {GatewayError} `attempt-unknown` when the gateway cannot know whether every call was stored, as after it was started again; what the store threw
   */
  closeAttempt(claim: Claim): Promise<void>;
  /** Answers an open attempt by further names of models, whole or as patterns: those that an unmodified agent has in its code. */
  answerTo?(claim: Claim, names: readonly (string | RegExp)[]): Promise<void> | void;
}

/** A gateway that a trainer publishes policy versions to. */
export interface TrainingGateway extends ModelGateway {
  /** Makes the snapshot answer new calls; calls in flight end on the snapshot that they began with. */
  publish(policyName: string, snapshot: PolicySnapshot): Promise<void> | void;
  /** Sends calls to policies by their callers; needed for several policies. */
  route?(routes: PolicyRoutes): Promise<void> | void;
  /** Returns the model calls that go on now, so that progress can name them: their agent where it is known, and for how long. */
  openCalls?(): readonly { readonly rolloutId: string; readonly agent: string | undefined; readonly forMs: number }[];
  close(): Promise<void>;
}

/** Says which of several policies answers whose calls. */
export interface PolicyRoutes {
  /** The policies with their patterns, tested in this order against each of a caller's names, as its adapter hands them over; the first that matches answers. */
  readonly policies: readonly { readonly policy: string; readonly agentMatch: AgentMatch }[];
  /** The model that answers callers that no pattern matches, under its own sampling; it is never trained. @default such calls are refused */
  readonly otherwise?: { readonly name: string; readonly snapshot: PolicySnapshot };
}
