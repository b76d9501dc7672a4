/** Says which kernels an example trains with, and what they cost the process. */
import type { KernelKind } from '@agent-lightning/embedded';

const descriptions: Readonly<Record<KernelKind, string>> = {
  wide: '256-bit (wideKernels: true). They set experimental V8 flags of this process while they compile; results are those of 128 bits, bit for bit.',
  relaxed:
    '128-bit with fused multiply-add; the 256-bit ones need x64 and the V8 of Node 24, and must have measured faster.',
  plain: '128-bit. They set no V8 flags; this runtime has no fused multiply-add, so that training is slower.',
};

/** Returns a line for the terminal. */
export function describeKernels(kind: KernelKind): string {
  return `kernels: ${descriptions[kind]}`;
}
