// training in a PyTorch worker
export { gpu } from './worker/gpu.ts';
export type { GpuOptions } from './worker/gpu-options.ts';

// sampling by vLLM: the option `vllm` of `gpu`
export type { VllmAttachOptions, VllmOptions, VllmSharedOptions, VllmStartOptions } from './vllm/vllm-options.ts';

// a model on somebody else's vLLM that says how likely it finds given tokens
export { createVllmScorer, type VllmScorer, type VllmScorerOptions } from './vllm/vllm-scorer.ts';

// what the worker needs on this machine
export { setUpPython, type SetUpPythonOptions } from './setup/set-up-python.ts';
export { setUpVllm, type SetUpVllmOptions } from './setup/set-up-vllm.ts';
export { setUpStarterModel, type SetUpStarterModelOptions } from './setup/set-up-starter-model.ts';

// where that is, for programs that look before they start
export { findPythonIfAny } from './setup/find-python.ts';
export { findRuntimeRequirements as findWorkerRequirements } from './setup/python-environment.ts';
export { findVllm } from './vllm/find-vllm.ts';
