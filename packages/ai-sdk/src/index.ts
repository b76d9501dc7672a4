export { withLightning, type AgentLike, type LanguageModelLike, type LanguageModelOptions } from './with-lightning.ts';
export { lightningTelemetry } from './listener.ts';
export type { LightningOptions, PolicyModel } from './caller.ts';
