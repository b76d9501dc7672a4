/** Reads and writes model directories in the ordinary Hugging Face layout. */
import { join, resolve } from 'node:path';

import { BackendError, ConfigurationError } from '@agent-lightning/core';
import {
  corrupt,
  optionalTextFiles,
  parseJson,
  readIfPresent,
  readModelFiles,
  readText,
  requiredTextFiles,
  type JsonObject,
  type ModelText,
} from '@agent-lightning/text';

import type { LlamaConfig, LlamaWeights } from '../model/llama-config.ts';
import { parameterShapes } from '../model/parameter-layout.ts';
import { readModelConfig } from './model-config.ts';
import { decodeSafetensors, encodeSafetensors, type Tensor } from './safetensors.ts';
import { writeDirectoryAtomically } from '@agent-lightning/platform';

/** The content of a model directory. */
export interface Checkpoint extends ModelText {
  readonly config: LlamaConfig;
  readonly weights: LlamaWeights;
  /** The files beside the weights, as they are written again on export. */
  readonly companions: ReadonlyMap<string, string>;
}

const requiredCompanions = ['config.json', ...requiredTextFiles];
/** Files that an export copies unchanged when they are there. */
const optionalCompanions = [
  ...optionalTextFiles.filter((name) => !requiredCompanions.includes(name)),
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
];
const weightsFile = 'model.safetensors';
const indexFile = 'model.safetensors.index.json';
const expected =
  'config.json, tokenizer.json, tokenizer_config.json (with chat_template, or a chat_template.jinja beside it), model.safetensors and optionally generation_config.json';

/** Every name that {@link saveCheckpoint} may write. */
export const checkpointFiles: readonly string[] = [...requiredCompanions, weightsFile, ...optionalCompanions];

/**
 * Reads and checks a model directory.
 *
 * @throws {ConfigurationError} `option-invalid` when the directory or a file in it is missing
 * @throws {BackendError} `checkpoint-unsupported` | `checkpoint-corrupt`
 */
export async function loadCheckpoint(path: string): Promise<Checkpoint> {
  const directory = resolve(path);
  const companions = await readModelFiles(directory, {
    required: requiredCompanions,
    optional: optionalCompanions,
    expected,
  });
  const source = join(directory, 'config.json');
  const config = readModelConfig(parseJson(companions.get('config.json'), source), source);
  const text = await readText(companions, directory);
  requireInVocabulary(text, config);
  return { ...text, config, weights: await readWeights(directory, config), companions };
}

/** Writes a model directory, atomically: the checkpoint's files with the given weights, in float32. */
export async function saveCheckpoint(
  directory: string,
  config: LlamaConfig,
  companions: ReadonlyMap<string, string>,
  weights: LlamaWeights,
): Promise<void> {
  const content = new Map<string, Uint8Array | string>(companions);
  const configJson = { ...parseJson(companions.get('config.json'), 'config.json') };
  for (const name of ['torch_dtype', 'dtype']) if (name in configJson) configJson[name] = 'float32';
  content.set('config.json', formatJson(configJson));
  content.set(weightsFile, encodeSafetensors(withShapes(config, weights)));
  await writeDirectoryAtomically(directory, content, checkpointFiles);
}

/** Returns the weights as tensors, in the order of the model's parameters. */
export function withShapes(config: LlamaConfig, weights: LlamaWeights, prefix = ''): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const [name, shape] of parameterShapes(config)) {
    const data = weights.get(name);
    if (data === undefined)
      throw new BackendError(`The engine gave no parameter '${name}'.`, { code: 'backend-failed' });
    tensors.set(prefix + name, { shape, data });
  }
  return tensors;
}

/**
 * Takes exactly the model's parameters out of tensors.
 *
 * @param prefix stands before each parameter's name in `tensors`
 * @throws {BackendError} `checkpoint-corrupt` for a missing one, one too many, a wrong shape, NaN or infinity
 */
export function takeParameters(
  config: LlamaConfig,
  tensors: ReadonlyMap<string, Tensor>,
  source: string,
  prefix = '',
): Map<string, Float32Array> {
  const weights = new Map<string, Float32Array>();
  for (const [name, shape] of parameterShapes(config)) {
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
    weights.set(name, tensor.data);
  }
  const extra = [...tensors.keys()].find((name) => name.startsWith(prefix) && !weights.has(name.slice(prefix.length)));
  if (extra !== undefined) throw corrupt(source, `the tensor '${extra}' belongs to no parameter of this model`);
  return weights;
}

/** Formats JSON for people: two spaces, a final newline. */
export function formatJson(value: JsonObject): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function requireInVocabulary({ directory, tokenizer, eosTokenIds }: ModelText, { vocabSize }: LlamaConfig): void {
  if (tokenizer.vocabularySize > vocabSize) {
    throw corrupt(
      directory,
      `the tokenizer has ids up to ${tokenizer.vocabularySize - 1} and config.json has vocab_size ${vocabSize}`,
    );
  }
  const outside = eosTokenIds.find((id) => id >= vocabSize);
  if (outside !== undefined)
    throw corrupt(directory, `eos_token_id ${outside} is outside the vocabulary of ${vocabSize}`);
}

/** Reads the weights from one file, or from the shards that an index lists. */
async function readWeights(directory: string, config: LlamaConfig): Promise<LlamaWeights> {
  const single = await readIfPresent(join(directory, weightsFile));
  if (single !== undefined)
    return takeParameters(
      config,
      decodeSafetensors(single, join(directory, weightsFile)).tensors,
      join(directory, weightsFile),
    );
  const index = await readIfPresent(join(directory, indexFile));
  if (index === undefined) {
    throw new ConfigurationError(
      `${directory} has no ${weightsFile} and no ${indexFile}. Expected there: ${expected}.`,
      { code: 'option-invalid' },
    );
  }
  const map = parseJson(index.toString('utf8'), join(directory, indexFile))['weight_map'] as
    | Readonly<Record<string, string>>
    | undefined;
  const tensors = new Map<string, Tensor>();
  for (const shard of new Set(Object.values(map ?? {}))) {
    const path = join(directory, shard);
    const bytes = /[/\\]/.test(shard) ? undefined : await readIfPresent(path);
    if (bytes === undefined) throw corrupt(join(directory, indexFile), `it lists '${shard}', which is not there`);
    for (const [name, tensor] of decodeSafetensors(bytes, path).tensors) {
      if (map?.[name] !== shard)
        throw corrupt(path, `it holds '${name}', which the index places in ${map?.[name] ?? 'no shard'}`);
      tensors.set(name, tensor);
    }
  }
  return takeParameters(config, tensors, join(directory, indexFile));
}
