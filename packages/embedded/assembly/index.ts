/** The kernels of the Llama engine: pure functions on addresses in one shared memory. */
export { attend, attendBackward, attendCached, cacheTokens } from './attention';
export { gatherFrozenRows, multiplyFrozen, multiplyFrozenTransposed } from './frozen';
export {
  addInto,
  addRows,
  addVector,
  copyRows,
  gatherRows,
  rmsNorm,
  rmsNormBackward,
  rotate,
  scaleRows,
  scatterAddRows,
  sumRows,
  swiglu,
  swigluBackward,
} from './layers';
export { logitGradients, sampleToken, tokenLogprobs } from './logits';
export { multiply, multiplyTransposed } from './matmul';
export { adamStep, sumSquares } from './optimizer';
export { clearFloats, copyFloats, packPanels, packTransposed } from './panels';
