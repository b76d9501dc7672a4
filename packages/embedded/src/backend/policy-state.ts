/** Saves a policy's training state in a directory, and reads it: weights, AdamW's moments, step, critic and random state. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { BackendError } from '@agent-lightning/core';
import { corrupt, parseJson, type JsonObject } from '@agent-lightning/text';

import { writeDirectoryAtomically } from '@agent-lightning/platform';
import { formatJson } from '../checkpoint/checkpoint.ts';
import { decodeSafetensors, encodeSafetensors, type Tensor } from '../checkpoint/safetensors.ts';
import type { CriticState } from '../engine/critic.ts';
import type { OptimizerState } from '../engine/engine-types.ts';
import { trainedShapes, type Adaptation } from '../model/adaptation.ts';
import type { LlamaConfig, LlamaWeights } from '../model/llama-config.ts';
import type { Shapes } from '../model/parameter-shapes.ts';

/** The model that a state belongs to. */
export interface StateModel {
  readonly config: LlamaConfig;
  /** Undefined where all weights are trained. */
  readonly adaptation: Adaptation | undefined;
}

/** Everything that training continues from. */
export interface PolicyState {
  readonly weights: LlamaWeights;
  readonly optimizer: OptimizerState;
  /** Undefined where no critic was trained. */
  readonly critic: CriticState | undefined;
  /** Unsigned 32-bit: the state of the stream that seeds requests without a seed. */
  readonly randomState: number;
}

const format = 'agent-lightning-embedded-state';
const formatVersion = 1;
const stateFile = 'state.json';
const tensorFile = 'state.safetensors';
const criticPrefix = 'critic.';
const prefixes = { weights: 'weights.', moments1: 'moments1.', moments2: 'moments2.' } as const;

/** Writes the state, atomically; an earlier state in the directory is replaced. */
export async function writePolicyState(directory: string, model: StateModel, state: PolicyState): Promise<void> {
  const { weights, optimizer, critic, randomState } = state;
  const { config, adaptation } = model;
  const shapes = trainedShapes(config, adaptation);
  const tensors = new Map([
    ...withShapes(shapes, weights, prefixes.weights),
    ...withShapes(shapes, optimizer.moments1, prefixes.moments1),
    ...withShapes(shapes, optimizer.moments2, prefixes.moments2),
    ...(critic === undefined ? [] : withShapes(criticShapes(config), criticTensors(critic), criticPrefix)),
  ]);
  const lora = adaptation && { lora: { ...adaptation } };
  const criticStep = critic && { criticStep: critic.step };
  const json = {
    format,
    formatVersion,
    config: { ...config },
    ...lora,
    step: optimizer.step,
    ...criticStep,
    randomState,
  };
  await writeDirectoryAtomically(
    directory,
    new Map<string, string | Uint8Array>([
      [stateFile, formatJson(json)],
      [tensorFile, encodeSafetensors(tensors)],
    ]),
    [stateFile, tensorFile],
  );
}

/**
 * Reads and checks a state; nothing of it is used unless all of it is right.
 *
 * @throws {BackendError} `checkpoint-corrupt`; `resume-mismatch` when it belongs to another model
 */
export async function readPolicyState(path: string, { config, adaptation }: StateModel): Promise<PolicyState> {
  const directory = resolve(path);
  const source = join(directory, stateFile);
  const json = parseJson((await read(source)).toString('utf8'), source);
  if (json['format'] !== format || json['formatVersion'] !== formatVersion) {
    throw corrupt(source, `it is not a state of format '${format}' version ${formatVersion}`);
  }
  requireSameModel(json['config'] as JsonObject | undefined, config, source);
  requireSameAdaptation(json['lora'] as JsonObject | undefined, adaptation, source);
  const shapes = trainedShapes(config, adaptation);
  const { step, randomState } = json;
  if (!isNatural(step)) throw corrupt(source, `step is ${JSON.stringify(step ?? null)}`);
  if (!isNatural(randomState) || randomState >= 2 ** 32)
    throw corrupt(source, `randomState is ${JSON.stringify(randomState ?? null)}`);
  const tensorSource = join(directory, tensorFile);
  const { tensors } = decodeSafetensors(await read(tensorSource), tensorSource);
  const unknown = [...tensors.keys()].find(
    (name) => ![...Object.values(prefixes), criticPrefix].some((prefix) => name.startsWith(prefix)),
  );
  if (unknown !== undefined) throw corrupt(tensorSource, `the tensor '${unknown}' belongs to no part of a state`);
  const take = (part: keyof typeof prefixes): Map<string, Float32Array> =>
    takeTensors(shapes, tensors, tensorSource, prefixes[part]);
  const moments2 = take('moments2');
  requireNoNegative(moments2, tensorSource);
  const critic = readCritic(json, config, tensors, source, tensorSource);
  return { weights: take('weights'), optimizer: { step, moments1: take('moments1'), moments2 }, critic, randomState };
}

function criticShapes({ hiddenSize }: LlamaConfig): Shapes {
  return new Map(['weights', 'moments1', 'moments2'].map((name) => [name, [hiddenSize + 1] as const]));
}

function criticTensors({ weights, moments1, moments2 }: CriticState): LlamaWeights {
  return new Map(Object.entries({ weights, moments1, moments2 }));
}

/** Reads the critic of a state, which has one where it says how many steps it took. */
function readCritic(
  { criticStep }: JsonObject,
  config: LlamaConfig,
  tensors: ReadonlyMap<string, Tensor>,
  source: string,
  tensorSource: string,
): CriticState | undefined {
  const shapes: Shapes = criticStep === undefined ? new Map() : criticShapes(config);
  const taken = takeTensors(shapes, tensors, tensorSource, criticPrefix);
  if (criticStep === undefined) return undefined;
  if (!isNatural(criticStep)) throw corrupt(source, `criticStep is ${JSON.stringify(criticStep)}`);
  const [weights, moments1, moments2] = ['weights', 'moments1', 'moments2'].map((name) => taken.get(name)!);
  requireNoNegative(new Map([['critic', moments2!]]), tensorSource);
  return { step: criticStep, weights: weights!, moments1: moments1!, moments2: moments2! };
}

function requireNoNegative(moments2: LlamaWeights, source: string): void {
  for (const [name, values] of moments2)
    if (values.some((value) => value < 0)) throw corrupt(source, `the second moment '${name}' has a negative entry`);
}

function requireSameModel(saved: JsonObject | undefined, config: LlamaConfig, source: string): void {
  for (const [name, value] of Object.entries(config)) {
    if (name !== 'maxPositions' && saved?.[name] !== value) {
      // a longer or shorter context changes no weight
      throw new BackendError(
        `${source} belongs to another model: its ${name} is ${JSON.stringify(saved?.[name] ?? null)}, this model's is ${JSON.stringify(value)}.`,
        { code: 'resume-mismatch' },
      );
    }
  }
}

function requireSameAdaptation(
  saved: JsonObject | undefined,
  adaptation: Adaptation | undefined,
  source: string,
): void {
  const describe = (lora: object | undefined): string => (lora ? JSON.stringify(lora) : "'full'");
  const names = Object.keys(adaptation ?? {});
  const isSame =
    Boolean(saved) === Boolean(adaptation) &&
    names.every((name) => saved?.[name] === adaptation?.[name as keyof Adaptation]);
  if (isSame) return;
  throw new BackendError(
    `${source} was trained in another way: its lora is ${describe(saved)}, this policy's is ${describe(adaptation)}.`,
    { code: 'resume-mismatch' },
  );
}

/** Returns the tensors with their shapes, in the order of the shapes. */
function withShapes(shapes: Shapes, tensors: LlamaWeights, prefix: string): Map<string, Tensor> {
  return new Map([...shapes].map(([name, shape]) => [prefix + name, { shape, data: tensors.get(name)! }]));
}

/** Takes exactly the tensors of the shapes. @throws {BackendError} `checkpoint-corrupt` for a missing one, one too many, a wrong shape, NaN or infinity */
function takeTensors(
  shapes: Shapes,
  tensors: ReadonlyMap<string, Tensor>,
  source: string,
  prefix: string,
): Map<string, Float32Array> {
  const taken = new Map<string, Float32Array>();
  for (const [name, shape] of shapes) {
    const tensor = tensors.get(prefix + name);
    if (tensor === undefined) throw corrupt(source, `the tensor '${prefix + name}' is missing`);
    if (tensor.shape.join() !== shape.join()) {
      throw corrupt(
        source,
        `the tensor '${prefix + name}' has shape [${tensor.shape.join(', ')}]; [${shape.join(', ')}] was expected`,
      );
    }
    const bad = tensor.data.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw corrupt(source, `the tensor '${prefix + name}' holds ${tensor.data[bad]} at ${bad}`);
    taken.set(name, tensor.data);
  }
  const extra = [...tensors.keys()].find((name) => name.startsWith(prefix) && !taken.has(name.slice(prefix.length)));
  if (extra !== undefined) throw corrupt(source, `the tensor '${extra}' belongs to no parameter of this model`);
  return taken;
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new BackendError(`Cannot read the saved state ${path}: ${(cause as Error).message}`, {
      code: 'checkpoint-corrupt',
      cause,
    });
  }
}

function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
