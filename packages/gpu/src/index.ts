// vllm
export type { VllmAttachOptions, VllmOptions, VllmSharedOptions, VllmStartOptions } from './vllm/vllm-options.ts';

// worker
export type { GpuOptions } from './worker/gpu-options.ts';
export { gpu } from './worker/gpu.ts';
