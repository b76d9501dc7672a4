/** Plans the memory that a model needs before any of it is taken, and says what would fit where it does not. */
import { EngineFault } from '../kernels/engine-fault.ts';
import { passTokens, samplingPassBytes } from '../sampling/sampling-pass.ts';
import { cacheBytes } from '../sampling/key-value-cache.ts';
import { chunkTokens } from '../training/token-tree.ts';
import { spaceBytes } from '../training/training-space.ts';
import type { Adaptation } from '../model/adaptation.ts';
import { scratchBytes } from '../model/frozen-scratch.ts';
import { rowStrides } from '../model/layer-forward.ts';
import type { LlamaConfig } from '../model/llama-config.ts';
import { layOutParameters, type ParameterLayout } from '../model/parameter-layout.ts';
import { roundUp } from '../model/weights.ts';

const pageBytes = 65_536;
/** The largest memory that 32-bit addresses reach, less one page. */
const mostBytes = 2 ** 32 - pageBytes;
/** Room for more sequences and longer passes than the plan counts. It is address space: only what is touched is used. */
const spareBytes = 2 ** 30;
/** The base model, two versions in use, and one that is being published. */
const snapshots = 4;

/** A model, as far as its memory depends on it. */
export interface PlannedModel {
  readonly config: LlamaConfig;
  readonly adaptation: Adaptation | undefined;
  readonly layout: ParameterLayout;
  readonly threads: number;
}

export interface MemoryPlan {
  /** The memory to reserve, in pages. */
  readonly pages: number;
  /** Gradients, one for each thread that trains: as many as threads where memory allows. */
  readonly gradients: number;
  /** What passes of training and sequences can have, all threads together. */
  readonly workingBytes: number;
}

/** Plans the memory. @throws EngineFault with the parts and what would fit, when the model does not fit */
export function planMemory(model: PlannedModel): MemoryPlan {
  for (let gradients = model.threads; gradients >= 1; gradients--) {
    const fixed = sum(fixedParts(model, gradients));
    const needed = fixed + Math.max(...workingParts(model).values());
    if (needed > mostBytes) continue;
    const bytes = Math.min(mostBytes, needed + spareBytes);
    return { pages: Math.ceil(bytes / pageBytes), gradients, workingBytes: bytes - fixed };
  }
  throw new EngineFault('backend-failed', describeShortage(model));
}

/** Returns the number of threads that can train on samples of up to `tokens` tokens at once, at least one. */
export function trainingThreads(model: PlannedModel, plan: MemoryPlan, tokens: number): number {
  return Math.max(1, Math.min(plan.gradients, Math.floor(plan.workingBytes / passBytes(model, tokens))));
}

/** Returns the bytes of a training pass on samples of up to `tokens` tokens, computing layers again. */
function passBytes({ config }: PlannedModel, tokens: number): number {
  const rounded = roundUp(Math.max(tokens, chunkTokens), 128);
  const capacity = { tokens: rounded, predictions: rounded, keys: rounded };
  return spaceBytes({ config, widths: rowStrides(config) }, capacity, true);
}

/** The parts that stay for as long as the engine lives, in bytes. */
function fixedParts({ config, layout, threads }: PlannedModel, gradients: number): Map<string, number> {
  const { plainFloats, forwardFloats, backwardFloats, frozen } = layout;
  const scratch = scratchBytes(layout);
  const tables = config.maxPositions * config.headSize * 4;
  return new Map([
    [
      frozen ? 'frozen weights' : 'weights',
      (frozen?.bytes ?? 0) + (frozen ? 0 : plainFloats + forwardFloats + backwardFloats) * 4,
    ],
    ...(frozen ? ([['adapters', (plainFloats + forwardFloats + backwardFloats) * 4]] as const) : []),
    [gradients === 1 ? 'one gradient' : `${gradients} gradients`, gradients * plainFloats * 4],
    ["AdamW's moments", 2 * plainFloats * 4],
    ['published versions', snapshots * forwardFloats * 4],
    [
      'working memory',
      tables + threads * (samplingPassBytes(config) + scratch.unpacked + 2 * scratch.inner) + 2 * pageBytes,
    ],
  ]);
}

/** What is needed at least beside them, in bytes, one after the other. */
function workingParts(model: PlannedModel): Map<string, number> {
  const { maxPositions } = model.config;
  return new Map([
    [`training on ${maxPositions} tokens at once`, passBytes(model, maxPositions)],
    [`sampling ${maxPositions} tokens`, 2 * cacheBytes(model.config, Math.max(maxPositions, passTokens))],
  ]);
}

function describeShortage(model: PlannedModel): string {
  const parts = [...fixedParts(model, 1), ...workingParts(model)].map(([name, bytes]) => `${name} ${mebibytes(bytes)}`);
  const needed = leastBytes(model);
  const alternatives = [
    ...(model.adaptation ? [] : describeLora(model)),
    ...describeContext(model),
    'the backend gpu()',
  ];
  return (
    `The model needs ${mebibytes(needed)} at a context of ${model.config.maxPositions} tokens (${parts.join(', ')}); ` +
    `the embedded engine can address ${mebibytes(mostBytes)}. Use ${alternatives.join(', or ')}.`
  );
}

function describeLora(model: PlannedModel): string[] {
  const adaptation: Adaptation = {
    rank: 32,
    alpha: 32,
    trainAttention: true,
    trainMlp: true,
    trainUnembed: false,
    frozenType: 'bfloat16',
  };
  const adapted = { ...model, adaptation, layout: layOutParameters(model.config, adaptation) };
  const needed = leastBytes(adapted);
  return needed <= mostBytes ? [`lora: { rank: 32 }, which needs ${mebibytes(needed)}`] : [];
}

/** Finds the longest context that fits, in steps of 64 tokens. */
function describeContext(model: PlannedModel): string[] {
  const fits = (steps: number): boolean =>
    leastBytes({ ...model, config: { ...model.config, maxPositions: steps * 64 } }) <= mostBytes;
  let [low, high] = [0, Math.ceil(model.config.maxPositions / 64)];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low > 0 && fits(low) ? [`contextLength: ${low * 64}`] : [];
}

function leastBytes(model: PlannedModel): number {
  return sum(fixedParts(model, 1)) + Math.max(...workingParts(model).values());
}

function sum(parts: ReadonlyMap<string, number>): number {
  return [...parts.values()].reduce((total, bytes) => total + bytes, 0);
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20).toLocaleString('en')} MiB`;
}
