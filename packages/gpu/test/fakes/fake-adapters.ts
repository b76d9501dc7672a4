/** LoRA adapters as vLLM keeps them: loaded by name from a directory, kept on the CPU up to a limit, listed as models. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What happened to adapters, in order. */
export interface AdapterEvent {
  readonly type: 'load' | 'unload' | 'evict' | 'reload';
  readonly name: string;
  /** Calls that ran on the adapter at that moment. */
  readonly running: number;
}

/** How the server refuses; the body is vLLM's `{"error": {"message", "type", "param", "code"}}`. */
export interface Refusal {
  readonly status: number;
  readonly type: string;
  readonly message: string;
  /** The field of the request that is wrong. @default none is named */
  readonly param?: string;
}

export interface AdapterLimits {
  readonly enableLora: boolean;
  readonly maxLoras: number;
  readonly maxCpuLoras: number;
  readonly maxLoraRank: number;
}

interface Adapter {
  readonly path: string;
  running: number;
  /** False once another adapter took its place in CPU memory; it is then read from its path again when used. */
  isResident: boolean;
}

/** The adapters of one server. */
export class FakeAdapters {
  readonly events: AdapterEvent[] = [];
  readonly #limits: AdapterLimits;
  /** Least recently used first. */
  readonly #adapters = new Map<string, Adapter>();

  constructor(limits: AdapterLimits) {
    this.#limits = limits;
  }

  get names(): readonly string[] {
    return [...this.#adapters.keys()];
  }

  pathOf(name: string): string | undefined {
    return this.#adapters.get(name)?.path;
  }

  /** Names of adapters that calls run on. */
  get running(): readonly string[] {
    return [...this.#adapters].filter(([, { running }]) => running > 0).map(([name]) => name);
  }

  load(name: unknown, path: unknown): Refusal | undefined {
    if (typeof name !== 'string' || typeof path !== 'string' || name === '' || path === '')
      return badInput("Both 'lora_name' and 'lora_path' must be provided.");
    if (this.#adapters.has(name)) {
      return badInput(
        `The lora adapter '${name}' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.`,
      );
    }
    const refusal = this.#checkFiles(name, path);
    if (refusal !== undefined) return refusal;
    this.#adapters.set(name, { path, running: 0, isResident: true });
    this.#note('load', name);
    this.#evictOverLimit();
    return undefined;
  }

  unload(name: unknown): Refusal | undefined {
    if (typeof name !== 'string' || name === '')
      return badInput("'lora_name' needs to be provided to unload a LoRA adapter.");
    if (!this.#adapters.has(name))
      return { status: 404, type: 'NotFoundError', message: `The lora adapter '${name}' cannot be found.` };
    this.#note('unload', name);
    this.#adapters.delete(name);
    return undefined;
  }

  /** A call begins on an adapter; returns what ends it. @param base the served model's name, which a refusal mentions */
  use(name: string, base: string): (() => void) | Refusal {
    const adapter = this.#adapters.get(name);
    if (adapter === undefined) {
      const message = `The model \`${name}\` does not exist. Valid aliases: ${base}.`;
      return { status: 404, type: 'NotFoundError', message, param: 'model' };
    }
    if (!adapter.isResident) {
      const refusal = this.#checkFiles(name, adapter.path);
      if (refusal !== undefined) return { ...refusal, status: 500, type: 'InternalServerError' };
      adapter.isResident = true;
      this.#note('reload', name);
    }
    this.#adapters.delete(name);
    this.#adapters.set(name, adapter);
    adapter.running += 1;
    this.#evictOverLimit();
    return () => {
      adapter.running -= 1;
    };
  }

  forget(): void {
    this.#adapters.clear();
  }

  #evictOverLimit(): void {
    const resident = [...this.#adapters].filter(([, { isResident }]) => isResident);
    for (const [name, adapter] of resident.slice(0, Math.max(0, resident.length - this.#limits.maxCpuLoras))) {
      adapter.isResident = false;
      this.#note('evict', name);
    }
  }

  #checkFiles(name: string, path: string): Refusal | undefined {
    if (!this.#limits.enableLora) return workerFailed('LoRA is not enabled. Use --enable-lora to enable LoRA.');
    const config = join(path, 'adapter_config.json');
    if (!existsSync(config) || !existsSync(join(path, 'adapter_model.safetensors'))) {
      const message = `Loading lora ${name} failed: No adapter found for ${path}`;
      return { status: 404, type: 'NotFoundError', message };
    }
    const { r } = JSON.parse(readFileSync(config, 'utf8')) as { r?: number };
    return r !== undefined && r > this.#limits.maxLoraRank
      ? workerFailed(`LoRA rank ${r} is greater than max_lora_rank ${this.#limits.maxLoraRank}.`)
      : undefined;
  }

  #note(type: AdapterEvent['type'], name: string): void {
    this.events.push({ type, name, running: this.#adapters.get(name)?.running ?? 0 });
  }
}

function workerFailed(reason: string): Refusal {
  const message = `Call to add_lora method failed: Worker failed with error '${reason}', please check the stack trace above for the root cause`;
  return { status: 500, type: 'InternalServerError', message };
}

function badInput(message: string): Refusal {
  return { status: 400, type: 'InvalidUserInput', message };
}
