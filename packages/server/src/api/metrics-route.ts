import type { RouteSet } from '../http/route.ts';
import { family } from './api-metrics.ts';

/** Gives the metrics of a server their figures. */
export interface MetricParts {
  /** Returns metrics of other parts on this port, in the text format of Prometheus. */
  readonly parts: readonly (() => string)[];
  readonly connections: () => Promise<number>;
  readonly requests: () => number;
  readonly heldBytes: () => number;
}

/** Serves `GET /metrics` in the text format of Prometheus; a key of any role but an agent's sees them. */
export function metricsRoute({ parts, connections, requests, heldBytes }: MetricParts): RouteSet {
  return ({ method, path }) =>
    path !== '/metrics' || method !== 'GET'
      ? undefined
      : {
          roles: ['trainer', 'runner', 'reader'],
          async answer(exchange) {
            const lines = [
              family('connections', 'gauge', 'Open connections.'),
              `agentlightning_server_connections ${await connections()}`,
              family('requests_under_way', 'gauge', 'Requests that are not answered yet.'),
              `agentlightning_server_requests_under_way ${requests()}`,
              family('held_bytes', 'gauge', 'Bytes that the bodies of requests in flight hold.'),
              `agentlightning_server_held_bytes ${heldBytes()}`,
              ...parts.map((part) => part()),
            ];
            exchange.bytes(Buffer.from(`${lines.join('\n')}\n`), 'text/plain; version=0.0.4; charset=utf-8');
          },
        };
}
