/** Writes and reads a saved state: a small file that points at what the server keeps. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BackendError } from '@agent-lightning/core';
import { writeFileAtomically } from '@agent-lightning/platform';
import type { LoraSpec } from './tinker-model.ts';
import { isObject } from './protocol.ts';

/** Holds everything that training continues from, except the weights and moments, which the server keeps under `path`. */
export interface PolicyState {
  /** The path of weights and optimizer on the server, `tinker://…`. */
  readonly path: string;
  /** The server that the path is on, for people: a worker has another port each time. */
  readonly server: string;
  readonly baseModel: string;
  readonly lora: LoraSpec;
  /** Optimizer steps taken. */
  readonly step: number;
  /** Seeds drawn for requests that brought none. */
  readonly draws: number;
}

const format = 'agent-lightning-tinker-state';
const formatVersion = 1;

/** Returns the path of the state's file in a directory. */
export function stateFile(directory: string): string {
  return join(directory, 'state.json');
}

/** Writes the state, whole or not at all; an earlier one in the directory is replaced. */
export async function writePolicyState(directory: string, state: PolicyState): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFileAtomically(
    stateFile(directory),
    `${JSON.stringify({ format, formatVersion, ...state }, undefined, 2)}\n`,
  );
}

/** Reads and checks the state in a directory. @throws {BackendError} `checkpoint-corrupt` */
export async function readPolicyState(directory: string): Promise<PolicyState> {
  const source = stateFile(directory);
  const json = await readJson(source);
  const { path, server, baseModel, lora, step, draws } = json;
  if (json['format'] !== format || json['formatVersion'] !== formatVersion)
    throw corrupt(source, `it is not a state of format '${format}' version ${formatVersion}`);
  if (typeof path !== 'string' || !path.startsWith('tinker://'))
    throw corrupt(source, `path is ${JSON.stringify(path)}`);
  if (typeof server !== 'string' || typeof baseModel !== 'string' || !isObject(lora))
    throw corrupt(source, 'server, baseModel or lora is missing');
  if (!isNatural(step) || !isNatural(draws))
    throw corrupt(source, `step is ${String(step)}, draws is ${String(draws)}`);
  return { path, server, baseModel, lora: lora as unknown as LoraSpec, step, draws };
}

/** Reads the state in a directory; returns undefined where there is none that can be read. */
export async function findPolicyState(directory: string): Promise<PolicyState | undefined> {
  return await readPolicyState(directory).catch(() => undefined);
}

/** Checks that a state belongs to this model. @throws {BackendError} `resume-mismatch`, naming what differs */
export function requireSameModel(
  state: PolicyState,
  own: Pick<PolicyState, 'baseModel' | 'lora'>,
  directory: string,
): void {
  const saved: Record<string, unknown> = { baseModel: state.baseModel, ...state.lora };
  const given: Record<string, unknown> = { baseModel: own.baseModel, ...own.lora };
  for (const name of Object.keys(given)) {
    if (saved[name] === given[name]) continue;
    throw new BackendError(
      `${stateFile(directory)} belongs to another model: its ${name} is ${JSON.stringify(saved[name] ?? null)}, this one's is ${JSON.stringify(given[name] ?? null)}.`,
      { code: 'resume-mismatch' },
    );
  }
}

async function readJson(source: string): Promise<Readonly<Record<string, unknown>>> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(source, 'utf8'));
  } catch (cause) {
    throw corrupt(source, `it cannot be read: ${(cause as Error).message}`, cause);
  }
  if (!isObject(json)) throw corrupt(source, 'it is not a JSON object');
  return json;
}

function corrupt(source: string, problem: string, cause?: unknown): BackendError {
  return new BackendError(`${source}: ${problem}.`, { code: 'checkpoint-corrupt', cause });
}

function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
