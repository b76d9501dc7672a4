// tinker
export { type Connection, connect } from './connection.ts';
export { type AdamField, type DialectName, dialects } from './dialects.ts';
export { type LoraOptions, resolveLora } from './lora-options.ts';
export { type Clock, systemClock } from './patience.ts';
export type { Publishable, Publisher } from './publisher.ts';
export { deleteCheckpoint } from './server-checkpoints.ts';
export { TinkerBackend } from './tinker-backend.ts';
export { TinkerClient, malformed } from './tinker-client.ts';
export type { LoraSpec } from './tinker-model.ts';
export { type TinkerOptions, requireText, resolveUrl } from './tinker-options.ts';
export { tinker } from './tinker.ts';
