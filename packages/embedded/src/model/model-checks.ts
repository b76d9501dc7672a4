/** Checks configurations, weights and thread counts before an engine is built from them. */
import { BackendError, check } from '@agent-lightning/core';
import type { LlamaConfig, LlamaWeights } from './llama-config.ts';
import type { Shapes } from './parameter-shapes.ts';

/** Checks that the kernels can run the model. @throws BackendError `checkpoint-unsupported` naming the field */
export function checkConfig(config: LlamaConfig): void {
  const fail = (what: string): never => {
    throw new BackendError(`The embedded engine cannot run this model: ${what}.`, { code: 'checkpoint-unsupported' });
  };
  for (const field of [
    'vocabSize',
    'hiddenSize',
    'intermediateSize',
    'layers',
    'heads',
    'keyValueHeads',
    'headSize',
    'maxPositions',
  ] as const) {
    if (!Number.isSafeInteger(config[field]) || config[field] < 1)
      fail(`${field} is ${config[field]}; it must be an integer from 1`);
  }
  for (const field of ['ropeTheta', 'rmsNormEpsilon'] as const) {
    if (!Number.isFinite(config[field]) || config[field] <= 0)
      fail(`${field} is ${config[field]}; it must be a positive number`);
  }
  for (const field of ['hiddenSize', 'headSize'] as const) {
    if (config[field] % 8 !== 0) fail(`${field} is ${config[field]}; the kernels need a multiple of 8`);
  }
  if (config.heads % config.keyValueHeads !== 0)
    fail(`${config.heads} heads cannot share ${config.keyValueHeads} key and value heads evenly`);
}

/** Checks the number of threads. @throws ConfigurationError `option-invalid` */
export function checkThreads(threads: number): void {
  check.wholeNumber('threads', threads, 1, 16);
}

/** Checks names and sizes of tensors against the shapes that they must have. @throws BackendError `checkpoint-unsupported` */
export function checkTensors(tensors: LlamaWeights, shapes: Shapes): void {
  for (const [name, shape] of shapes) {
    const floats = shape.reduce((product: number, size) => product * size, 1);
    const tensor = tensors.get(name);
    if (tensor?.length !== floats) {
      const found = tensor ? `${tensor.length} values` : 'nothing';
      throw new BackendError(
        `The parameter ${name} must have shape (${shape.join(', ')}); the weights hold ${found}.`,
        { code: 'checkpoint-unsupported' },
      );
    }
  }
  for (const name of tensors.keys()) {
    if (!shapes.has(name))
      throw new BackendError(`The weights hold ${name}, which a model of this configuration does not have.`, {
        code: 'checkpoint-unsupported',
      });
  }
}
