// for users
export { tinker } from './tinker.ts';
export type { TinkerOptions } from './tinker-options.ts';
export type { LoraOptions } from './lora-options.ts';
export type { AdamField, ServerKind } from './server-kinds.ts';

// for backends that speak this protocol: a connection to their server, and policies on it
export { connect, type Connection } from './connection.ts';
export { TinkerBackend } from './tinker-backend.ts';
export type { Publishable, Publisher } from './publisher.ts';
export { saveAdapter } from './saved-adapter.ts';

// for backends that speak this protocol: checks of the options that they share with `tinker`
export { resolveLora } from './lora-options.ts';
export type { LoraSpec } from './tinker-model.ts';
export { requireText, resolveUrl } from './tinker-options.ts';
