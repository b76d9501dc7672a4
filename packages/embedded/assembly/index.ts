/** The kernels of the Llama engine: pure functions on addresses in one shared memory. */
export { attend, attendBackward, attendCached, cacheTokens } from './attention';
export {
  addInto,
  addRows,
  copyRows,
  gatherRows,
  rmsNorm,
  rmsNormBackward,
  rotate,
  scatterAddRows,
  swiglu,
  swigluBackward,
} from './layers';
export { logitGradients, sampleToken, tokenLogprobs } from './logits';
export { multiply, multiplyTransposed } from './matmul';
export { adamStep, sumSquares } from './optimizer';
export { clearFloats, copyFloats, packPanels, packTransposed } from './panels';
