/** Copies named tensors into the shared memory and out of it. */
import type { Address } from '../kernels/kernels.ts';
import type { LlamaWeights } from './llama-config.ts';
import type { ModelMemory } from './model-memory.ts';
import type { Parameter } from './weights.ts';

/** Copies tensors into a region that is arranged as the plain weights; its padding stays 0. */
export function writeTensors(memory: ModelMemory, region: Address, tensors: LlamaWeights): void {
  for (const parameter of memory.layout.parameters) {
    const view = viewParameter(memory, region, parameter);
    const tensor = tensors.get(parameter.name)!;
    for (let row = 0; row < parameter.rows; row++)
      view.set(tensor.subarray(row * parameter.columns, (row + 1) * parameter.columns), row * parameter.stride);
  }
}

/** Returns copies of the tensors of a region that is arranged as the plain weights. */
export function readTensors(memory: ModelMemory, region: Address): Map<string, Float32Array> {
  return new Map(
    memory.layout.parameters.map((parameter) => {
      const { name, rows, columns, stride } = parameter;
      const view = viewParameter(memory, region, parameter);
      const tensor = new Float32Array(rows * columns);
      for (let row = 0; row < rows; row++)
        tensor.set(view.subarray(row * stride, row * stride + columns), row * columns);
      return [name, tensor];
    }),
  );
}

function viewParameter({ memory }: ModelMemory, region: Address, { offset, rows, stride }: Parameter): Float32Array {
  return new Float32Array(memory.buffer, region + offset * 4, rows * stride);
}
