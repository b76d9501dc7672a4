/** Reads the weights of a model directory from one file or from shards, piece by piece, and checks them before any is used. */
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import { BackendError, ConfigurationError } from '@agent-lightning/core';
import { corrupt, parseJson, readIfPresent } from '@agent-lightning/text';

import type { LlamaConfig } from '../model/llama-config.ts';
import { parameterShapes } from '../model/parameter-shapes.ts';
import type { WeightSource } from '../model/weight-source.ts';
import { elementBytes, headerBytesOf, lengthBytes, readEntries, toFloat32, type TensorEntry } from './safetensors.ts';

export const weightsFile = 'model.safetensors';
const indexFile = 'model.safetensors.index.json';
const tiedHead = 'lm_head.weight';
const embeddings = 'model.embed_tokens.weight';
/** Numbers that are compared at once. */
const pieceFloats = 2 ** 22;

/** A tensor in a file. */
interface Place extends TensorEntry {
  readonly path: string;
  /** Position of the data in the file, in bytes. */
  readonly dataStart: number;
}

/** The weights of a model directory. Its files must stay as they are while they are read. */
export class CheckpointWeights implements WeightSource {
  readonly #places: ReadonlyMap<string, Place>;

  private constructor(places: ReadonlyMap<string, Place>) {
    this.#places = places;
  }

  /**
   * Reads the headers and checks names and shapes.
   *
   * @param expected what a model directory holds, for the error where there are no weights
   * @throws {BackendError} `checkpoint-corrupt` | `checkpoint-unsupported`; ConfigurationError `option-invalid`
   */
  static async open(directory: string, config: LlamaConfig, expected: string): Promise<CheckpointWeights> {
    const path = join(directory, weightsFile);
    const single = await readPlaces(path);
    if (single) return await CheckpointWeights.#check(single, config, path);
    const indexPath = join(directory, indexFile);
    const index = await readIfPresent(indexPath);
    if (index === undefined) {
      throw new ConfigurationError(
        `${directory} has no ${weightsFile} and no ${indexFile}. Expected there: ${expected}.`,
        { code: 'option-invalid' },
      );
    }
    const map = parseJson(index.toString('utf8'), indexPath)['weight_map'] as Record<string, string> | undefined;
    const places = new Map<string, Place>();
    for (const shard of new Set(Object.values(map ?? {}))) {
      const shardPath = join(directory, shard);
      const found = /[/\\]/.test(shard) ? undefined : await readPlaces(shardPath);
      if (!found) throw corrupt(indexPath, `it lists '${shard}', which is not there`);
      for (const [name, place] of found) {
        if (map?.[name] !== shard)
          throw corrupt(shardPath, `it holds '${name}', which the index places in ${map?.[name] ?? 'no shard'}`);
        places.set(name, place);
      }
    }
    return await CheckpointWeights.#check(places, config, indexPath);
  }

  /** @throws {BackendError} `checkpoint-corrupt` where a number is not finite or the file has changed */
  async read(name: string, first: number, count: number): Promise<Float32Array> {
    const { path, dataStart, begin, dtype } = this.#places.get(name)!;
    const size = elementBytes[dtype];
    const bytes = new Uint8Array(count * size);
    const file = await open(path);
    try {
      await readFully(file, bytes, dataStart + begin + first * size, path);
    } finally {
      await file.close();
    }
    const numbers = toFloat32(bytes, dtype);
    const bad = numbers.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw corrupt(path, `the tensor '${name}' holds ${numbers[bad]} at ${first + bad}`);
    return numbers;
  }

  /** Reads all parameters. */
  async readAll(config: LlamaConfig): Promise<Map<string, Float32Array>> {
    const weights = new Map<string, Float32Array>();
    for (const [name, shape] of parameterShapes(config))
      weights.set(
        name,
        await this.read(
          name,
          0,
          shape.reduce((product: number, size) => product * size, 1),
        ),
      );
    return weights;
  }

  /** Checks that the tensors are exactly the model's parameters; a tied head that is stored as well must equal the embeddings. */
  static async #check(
    places: ReadonlyMap<string, Place>,
    config: LlamaConfig,
    source: string,
  ): Promise<CheckpointWeights> {
    const shapes = parameterShapes(config);
    for (const [name, shape] of shapes) {
      const place = places.get(name);
      if (!place) throw corrupt(source, `the tensor '${name}' is missing`);
      if (place.shape.join() !== shape.join()) {
        throw corrupt(
          source,
          `the tensor '${name}' has shape [${place.shape.join(', ')}]; [${shape.join(', ')}] was expected`,
        );
      }
    }
    const weights = new CheckpointWeights(places);
    const extra = [...places.keys()].find((name) => !shapes.has(name));
    if (extra === tiedHead && places.get(extra)!.shape.join() === places.get(embeddings)!.shape.join())
      await weights.#requireEqual(extra, embeddings, source);
    else if (extra !== undefined) throw corrupt(source, `the tensor '${extra}' belongs to no parameter of this model`);
    return weights;
  }

  async #requireEqual(name: string, other: string, source: string): Promise<void> {
    const count = this.#places.get(name)!.shape.reduce((product, size) => product * size, 1);
    for (let first = 0; first < count; first += pieceFloats) {
      const length = Math.min(pieceFloats, count - first);
      const [a, b] = [await this.read(name, first, length), await this.read(other, first, length)];
      if (a.some((value, i) => value !== b[i]))
        throw corrupt(source, `'${name}' and '${other}' differ, and config.json says that they are one (tied)`);
    }
  }
}

/** Reads where the tensors of a file are; undefined when it is not there. */
async function readPlaces(path: string): Promise<Map<string, Place> | undefined> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new BackendError(`Cannot read ${path}: ${(error as Error).message}`, {
      code: 'backend-failed',
      cause: error,
    });
  }
  try {
    const { size } = await file.stat();
    const start = new Uint8Array(Math.min(size, lengthBytes));
    await readFully(file, start, 0, path);
    const header = new Uint8Array(headerBytesOf(start, size, path));
    await readFully(file, header, lengthBytes, path);
    const dataStart = lengthBytes + header.length;
    const { entries } = readEntries(header, size - dataStart, path);
    return new Map(entries.map((entry) => [entry.name, { ...entry, path, dataStart }]));
  } finally {
    await file.close();
  }
}

async function readFully(file: FileHandle, bytes: Uint8Array, position: number, path: string): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, position + done);
    if (bytesRead === 0) throw corrupt(path, `it ends at byte ${position + done}: it has changed since it was opened`);
    done += bytesRead;
  }
}
