import type { Claim } from './lightning-store.ts';
import type { LlmEndpoint } from '../vocabulary/resources.ts';

/** What a runner needs of a gateway: a URL and a key for each attempt, and all of its calls stored when it ends. */
export interface ModelGateway {
  /** Opens the attempt's URL and mints its key. */
  openAttempt(claim: Claim): Promise<LlmEndpoint>;
  /** Resolves when every captured call of the attempt is in the store; the key is dead afterwards. */
  closeAttempt(claim: Claim): Promise<void>;
}
