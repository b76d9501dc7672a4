export { withLightning, type AgentLike, type MastraLike, type WorkflowLike } from './with-lightning.ts';
export type { AgentOptions as LightningOptions } from '@agent-lightning/tracing';
