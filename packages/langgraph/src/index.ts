export { withLightning, type Configurable } from './with-lightning.ts';
export { LightningCallbackHandler, type LightningOptions } from './callback-handler.ts';
