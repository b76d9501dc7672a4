/** Reads and writes model directories in the ordinary Hugging Face layout. */
import { join, resolve } from 'node:path';

import {
  corrupt,
  optionalTextFiles,
  parseJson,
  readModelFiles,
  readText,
  requiredTextFiles,
  type JsonObject,
  type ModelText,
} from '@agent-lightning/text';

import type { LlamaConfig, LlamaWeights } from '../model/llama-config.ts';
import { parameterShapes } from '../model/parameter-shapes.ts';
import { readModelConfig } from './model-config.ts';
import { CheckpointWeights, weightsFile } from './checkpoint-weights.ts';
import { safetensorPieces } from './safetensors.ts';
import { writeDirectoryAtomically } from '@agent-lightning/platform';

/** The content of a model directory. */
export interface Checkpoint extends OpenCheckpoint {
  readonly weights: LlamaWeights;
}

/** A model directory whose weights are read when they are needed. */
export interface OpenCheckpoint extends ModelText {
  readonly config: LlamaConfig;
  readonly source: CheckpointWeights;
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
  const checkpoint = await openCheckpoint(path);
  return { ...checkpoint, weights: await checkpoint.source.readAll(checkpoint.config) };
}

/** Reads and checks all of a model directory but the numbers of its weights. @throws as {@link loadCheckpoint} */
export async function openCheckpoint(path: string): Promise<OpenCheckpoint> {
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
  return { ...text, config, source: await CheckpointWeights.open(directory, config, expected), companions };
}

/** Writes a model directory, atomically: the checkpoint's files with the given weights, in float32 and in the order of `parameterShapes`. */
export async function saveCheckpoint(
  directory: string,
  config: LlamaConfig,
  companions: ReadonlyMap<string, string>,
  weights: Iterable<readonly [string, Float32Array]>,
): Promise<void> {
  const content = new Map<string, string | Iterable<Uint8Array>>(companions);
  const configJson = { ...parseJson(companions.get('config.json'), 'config.json') };
  for (const name of ['torch_dtype', 'dtype']) if (name in configJson) configJson[name] = 'float32';
  if (Boolean(configJson['tie_word_embeddings']) !== config.tieWordEmbeddings)
    configJson['tie_word_embeddings'] = config.tieWordEmbeddings; // an adapted head has moved away from the embeddings
  content.set('config.json', formatJson(configJson));
  content.set(weightsFile, safetensorPieces(parameterShapes(config), weights));
  await writeDirectoryAtomically(directory, content, checkpointFiles);
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
