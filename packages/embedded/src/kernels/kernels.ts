/** Declares the WebAssembly kernels. Addresses are bytes, sizes and strides floats. */
import { webAssembly, type WasmMemory, type WasmModule } from './web-assembly.ts';

export type Address = number;

/** Exports of `assembly/index.ts`; see there for shapes. */
export interface Kernels {
  multiply(
    m: number,
    n: number,
    k: number,
    a: Address,
    aStride: number,
    b: Address,
    bStride: number,
    panelStride: number,
    c: Address,
    cStride: number,
    accumulate: boolean,
  ): void;
  multiplyTransposed(
    m: number,
    n: number,
    k: number,
    a: Address,
    aStride: number,
    b: Address,
    bStride: number,
    c: Address,
    cStride: number,
  ): void;
  multiplyFrozen(
    m: number,
    n: number,
    k: number,
    a: Address,
    aStride: number,
    panels: Address,
    isHalf: boolean,
    c: Address,
    cStride: number,
    accumulate: boolean,
    scratch: Address,
  ): void;
  multiplyFrozenTransposed(
    m: number,
    n: number,
    k: number,
    a: Address,
    aStride: number,
    panels: Address,
    isHalf: boolean,
    c: Address,
    cStride: number,
    scratch: Address,
  ): void;
  gatherFrozenRows(
    rows: number,
    width: number,
    ids: Address,
    panels: Address,
    isHalf: boolean,
    out: Address,
    outStride: number,
  ): void;
  addVector(rows: number, width: number, vector: Address, x: Address, xStride: number): void;
  sumRows(rows: number, width: number, x: Address, xStride: number, out: Address): void;
  scaleRows(rows: number, width: number, factor: number, x: Address, xStride: number): void;
  packPanels(rows: number, columns: number, source: Address, stride: number, out: Address): void;
  packTransposed(rows: number, columns: number, source: Address, stride: number, out: Address): void;
  copyFloats(n: number, source: Address, out: Address): void;
  clearFloats(n: number, out: Address): void;
  addInto(n: number, x: Address, out: Address): void;
  gatherRows(
    rows: number,
    width: number,
    ids: Address,
    table: Address,
    tableStride: number,
    out: Address,
    outStride: number,
  ): void;
  scatterAddRows(
    rows: number,
    width: number,
    ids: Address,
    values: Address,
    valuesStride: number,
    table: Address,
    tableStride: number,
  ): void;
  rmsNorm(
    rows: number,
    width: number,
    epsilon: number,
    x: Address,
    xStride: number,
    weight: Address,
    out: Address,
    outStride: number,
    inverse: Address,
  ): void;
  rmsNormBackward(
    rows: number,
    width: number,
    x: Address,
    xStride: number,
    weight: Address,
    inverse: Address,
    dOut: Address,
    dOutStride: number,
    dx: Address,
    dxStride: number,
    dWeight: Address,
  ): void;
  rotate(
    rows: number,
    heads: number,
    headSize: number,
    positions: Address,
    cosines: Address,
    sines: Address,
    sign: number,
    x: Address,
    xStride: number,
  ): void;
  swiglu(rows: number, width: number, gateUp: Address, gateUpStride: number, out: Address, outStride: number): void;
  swigluBackward(
    rows: number,
    width: number,
    gateUp: Address,
    gateUpStride: number,
    dOut: Address,
    dOutStride: number,
  ): void;
  attend(
    queries: number,
    first: number,
    headSize: number,
    scale: number,
    q: Address,
    qStride: number,
    keyPanels: Address,
    v: Address,
    vStride: number,
    scores: Address,
    out: Address,
    outStride: number,
    logSums: Address,
  ): void;
  attendBackward(
    queries: number,
    first: number,
    headSize: number,
    scale: number,
    q: Address,
    qStride: number,
    k: Address,
    keyPanels: Address,
    valuePanels: Address,
    logSums: Address,
    dOut: Address,
    dOutStride: number,
    scores: Address,
    dScores: Address,
    dq: Address,
    dk: Address,
    dv: Address,
  ): void;
  copyRows(rows: number, width: number, source: Address, sourceStride: number, out: Address, outStride: number): void;
  addRows(rows: number, width: number, source: Address, sourceStride: number, out: Address, outStride: number): void;
  cacheTokens(
    rows: number,
    first: number,
    heads: number,
    headSize: number,
    keys: Address,
    values: Address,
    stride: number,
    keyCache: Address,
    valueCache: Address,
    capacity: number,
  ): void;
  attendCached(
    queries: number,
    first: number,
    heads: number,
    keyHeads: number,
    headSize: number,
    scale: number,
    q: Address,
    qStride: number,
    keyCache: Address,
    valueCache: Address,
    capacity: number,
    scores: Address,
    out: Address,
    outStride: number,
  ): void;
  tokenLogprobs(
    rows: number,
    vocabulary: number,
    logits: Address,
    stride: number,
    targets: Address,
    logprobs: Address,
    logSums: Address,
    entropies: Address,
  ): void;
  logitGradients(
    rows: number,
    vocabulary: number,
    logits: Address,
    stride: number,
    targets: Address,
    logSums: Address,
    coefficients: Address,
  ): void;
  sampleToken(vocabulary: number, logits: Address, temperature: number, uniform: number, logprob: Address): number;
  sumSquares(n: number, x: Address): number;
  adamStep(
    n: number,
    weights: Address,
    gradients: Address,
    moments1: Address,
    moments2: Address,
    gradientScale: number,
    decay: number,
    beta1: number,
    beta2: number,
    stepSize: number,
    rootCorrection: number,
    epsilon: number,
  ): void;
}

/** Instantiates the kernels on a memory. */
export function instantiateKernels(module: WasmModule, memory: WasmMemory): Kernels {
  const instance = new webAssembly.Instance(module, { env: { memory } });
  return instance.exports as unknown as Kernels;
}
