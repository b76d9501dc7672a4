/** Says which kernels an example trains with, and what they cost the process. */
import type { KernelKind } from '@agent-lightning/embedded';

const descriptions: Readonly<Record<KernelKind, string>> = {
  wide: '256 bits at a time, the fast way (wideKernels: true). This process sets experimental V8 flags while it compiles; the results are the same, bit for bit.',
  relaxed:
    '128 bits at a time. 256, about twice as fast, need x64 and the V8 of Node 24, and must have measured faster on this machine.',
  plain: '128 bits at a time, without fused multiply-add, which this runtime has not got: training is slower.',
};

/** Returns a line for the terminal. */
export function describeKernels(kind: KernelKind): string {
  return `The model computes in WebAssembly, ${descriptions[kind]}`;
}
