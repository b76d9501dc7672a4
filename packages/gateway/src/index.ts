// the gateway
export { Gateway } from './gateway.ts';
export type { CallLimitOptions } from './calls/call-limits.ts';
export type { GatewayOptions } from './gateway-options.ts';
export type { GatewayLogEntry } from './gateway-log.ts';
export type { GatewayStatistics } from './gateway-statistics.ts';
export type { StructuredOutput } from './capture/structured-output.ts';
export type { ModeSampling, SamplingOptions } from './capture/sampling-rules.ts';
export type { ModelOptions, PassthroughModel, UpstreamServers } from './policies/model-options.ts';
export { resolveOwnModels, type OwnModels, type OwnServer } from './policies/own-models.ts';
export type { PolicyRoutes } from '@agent-lightning/core';
export type { StaleCall, StalenessOptions, StaleVerdict } from './policies/staleness-rule.ts';
export type { PauseOptions } from './policies/admission-gate.ts';
export type { RemoteRoutes } from './remote-gateway.ts';

// a plain endpoint, without capture
export { serve, type ModelEndpoint, type ServeOptions } from './serve.ts';

// a gateway in another process
export {
  connectGateway,
  type RemoteGateway,
  type RemoteGatewayOptions,
  type RemoteSnapshot,
  type RemoteStaleness,
} from './remote-gateway.ts';

// a gateway as a process of its own, for commands
export { toLogLine } from './gateway-log.ts';
export { runStandalone, type Standalone } from './standalone/run-standalone.ts';
export { readStandaloneConfig, type StandaloneConfig } from './standalone/standalone-config.ts';
