import type { ServerResponse } from 'node:http';
import type { Claim } from '@agent-lightning/core';
import type { TrainedGateway } from '../gateway-routes.ts';
import { KeyedTurns } from '../keyed-turns.ts';

interface Call {
  readonly response: Pick<ServerResponse, 'writableEnded'>;
  /** Resolves when the gateway has answered the call. */
  readonly done: Promise<void>;
}

interface OpenAttempt {
  readonly claim: Claim;
  readonly apiKey: string;
  readonly path: string;
  readonly calls: Set<Call>;
}

/** A call's part in an open attempt, which stays open until the call leaves it or the rollout ends. */
export interface JoinedAttempt {
  readonly apiKey: string;
  /** The path of the attempt's URL, from `/rollout/` on. */
  readonly path: string;
  leave(): void;
}

/** Opens attempts at the gateway for the calls of agents of Agent Lightning 1.0, and closes them, which stores the calls. */
export class OpenAttempts {
  readonly #gateway: Pick<TrainedGateway, 'openAttempt' | 'closeAttempt'>;
  readonly #open: Map<string, OpenAttempt> = new Map();
  readonly #turns: KeyedTurns = new KeyedTurns();

  constructor(gateway: Pick<TrainedGateway, 'openAttempt' | 'closeAttempt'>) {
    this.#gateway = gateway;
  }

  /** Lets a call take part in its attempt, which is opened when it is not open. The call counts from this turn on: a flush after it sees it. */
  join(claim: Claim, response: Call['response']): Promise<JoinedAttempt> {
    const { rolloutId } = claim.rollout;
    return this.#turns.run(rolloutId, async () => {
      const { apiKey, path, calls } = this.#open.get(rolloutId) ?? (await this.#openAttempt(claim));
      const { promise: done, resolve } = Promise.withResolvers<void>();
      const call = { response, done };
      calls.add(call);
      const leave = (): void => {
        calls.delete(call);
        resolve();
      };
      return { apiKey, path, leave };
    });
  }

  /** Stores the calls of an attempt whose replies are out; a rollout with further ones in flight is left as it is. */
  async flush(rolloutId: string): Promise<void> {
    const open = this.#open.get(rolloutId);
    if (open === undefined) return;
    await Promise.all([...open.calls].filter(({ response }) => response.writableEnded).map(({ done }) => done));
    await this.#turns.run(rolloutId, async () => {
      if (this.#open.get(rolloutId) === open && open.calls.size === 0) await this.#close(open);
    });
  }

  /** Ends the calls of an attempt, and stores them all. */
  async end({ rollout }: Claim): Promise<void> {
    await this.#turns.run(rollout.rolloutId, async () => {
      const open = this.#open.get(rollout.rolloutId);
      if (open !== undefined) await this.#close(open);
    });
  }

  async #openAttempt(claim: Claim): Promise<OpenAttempt> {
    const { apiKey, baseUrl } = await this.#gateway.openAttempt(claim);
    const path = baseUrl.slice(baseUrl.lastIndexOf('/rollout/'));
    const open: OpenAttempt = { claim, apiKey: apiKey ?? '', path, calls: new Set() };
    this.#open.set(claim.rollout.rolloutId, open);
    return open;
  }

  async #close(open: OpenAttempt): Promise<void> {
    await this.#gateway.closeAttempt(open.claim);
    this.#open.delete(open.claim.rollout.rolloutId);
  }
}
