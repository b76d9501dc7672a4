export { withLightning, type AgentLike, type MastraLike } from './with-lightning.ts';
export type { AgentOptions as LightningOptions } from '@agent-lightning/core';
