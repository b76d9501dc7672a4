export { withLightning, type Configurable } from './with-lightning.ts';
export { LightningCallbackHandler } from './listener.ts';
export type { AgentOptions as LightningOptions } from '@agent-lightning/tracing';
