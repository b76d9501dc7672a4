export interface SiegeRunnerConfiguration {
  readonly serverUrl: string;
  readonly key: string;
  readonly gatewayUrl: string;
  readonly adminKey: string;
  readonly ledger: string;
  readonly outbox: string;
  readonly leaseMs: number;
}

export const attemptTimeoutMs = 60_000;
