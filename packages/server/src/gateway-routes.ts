import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Claim, Lease, LlmEndpoint, PolicySnapshot } from '@agent-lightning/core';
import type { RouteSet } from './http/route.ts';
import type { KeyRing } from './keys/key-ring.ts';

/** A gateway that has no port of its own, such as `Gateway.mount` makes: the server hands it its requests. */
export interface MountedGateway {
  /** Takes the address at which agents reach it, and what makes their keys. */
  serveAt(url: string, mintKey: (lease: Lease) => string): void;
  /** Answers a request. @param isAdmitted true when the server has checked who asks: then the gateway asks for no `adminKey` */
  answer(request: IncomingMessage, response: ServerResponse, isAdmitted: boolean): Promise<void>;
  /** Returns its metrics in the text format of Prometheus. */
  formatMetrics(): string;
}

/** A mounted gateway that a trainer in another process publishes to, as Agent Lightning 1.0's does. */
export interface TrainedGateway extends MountedGateway {
  /** The model name that attempts are given. */
  readonly policy: string;
  publish(policy: string, snapshot: PolicySnapshot): void;
  pause(options: { readonly drainMs: number; readonly retryAfterSeconds: number }): Promise<unknown>;
  resume(): void;
  openAttempt(claim: Claim): Promise<LlmEndpoint>;
  closeAttempt(claim: Claim): Promise<void>;
}

/** Tells whether a gateway can be published to. */
export function canTrain(gateway: MountedGateway): gateway is TrainedGateway {
  return 'publish' in gateway && 'policy' in gateway && 'openAttempt' in gateway;
}

/**
 * Serves a gateway: model calls of agents at `/rollout/…`, by the key of their attempt; `/admin/attempts` for runners, and the rest of `/admin` for
 * trainers.
 */
export function gatewayRoutes(gateway: MountedGateway): RouteSet {
  return ({ path }) => {
    // The gateway looks at the key of the attempt itself.
    if (path.startsWith('/rollout/'))
      return { roles: 'everyone', answer: ({ request, response }) => gateway.answer(request, response, false) };
    if (!path.startsWith('/admin/')) return undefined;
    const isAttempts = path === '/admin/attempts' || path.startsWith('/admin/attempts/');
    return {
      roles: isAttempts ? ['trainer', 'runner'] : ['trainer'],
      answer: ({ request, response }) => gateway.answer(request, response, true),
    };
  };
}

/** Tells a gateway where it is, with keys with which an agent can also write spans to its own attempt. */
export function placeGateway(gateway: MountedGateway, url: string, keys: KeyRing): void {
  gateway.serveAt(url, (lease) => keys.mintAgentKey(lease));
}
