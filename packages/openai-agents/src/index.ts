export { withLightning } from './with-lightning.ts';
export type { AgentOptions as LightningOptions } from '@agent-lightning/tracing';
