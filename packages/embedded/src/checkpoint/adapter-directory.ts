/** Writes adapters as PEFT has them: a directory with `adapter_config.json` and `adapter_model.safetensors`. */
import { writeDirectoryAtomically } from '@agent-lightning/platform';

import { adaptedLayers, adapterShapes, type Adaptation } from '../model/adaptation.ts';
import type { LlamaConfig, LlamaWeights } from '../model/llama-config.ts';
import { formatJson } from './checkpoint.ts';
import { safetensorPieces } from './safetensors.ts';

const configFile = 'adapter_config.json';
const tensorFile = 'adapter_model.safetensors';
/** Stands before the model's own names in PEFT's files. */
const prefix = 'base_model.model.';

/** An adapter and the model that it belongs to. */
export interface AdapterParts {
  readonly config: LlamaConfig;
  readonly adaptation: Adaptation;
  /** Path of the base model's directory. */
  readonly base: string;
  /** By the names of `adapterShapes`. */
  readonly tensors: LlamaWeights;
}

/** Writes an adapter, atomically, in float32; an earlier adapter in the directory is replaced. */
export async function saveAdapter(
  directory: string,
  { config, adaptation, base, tensors }: AdapterParts,
): Promise<void> {
  const shapes = adapterShapes(config, adaptation);
  const targets = adaptedLayers(config, adaptation).map((layer) => layer.slice(layer.lastIndexOf('.') + 1));
  const json = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: base,
    r: adaptation.rank,
    lora_alpha: adaptation.alpha,
    lora_dropout: 0,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    target_modules: [...new Set(targets)].sort(),
  };
  const named = new Map([...shapes].map(([name, shape]) => [prefix + name, shape]));
  const ordered = Array.from(shapes.keys(), (name) => [prefix + name, tensors.get(name)!] as const);
  await writeDirectoryAtomically(
    directory,
    new Map<string, string | Iterable<Uint8Array>>([
      [configFile, formatJson(json)],
      [tensorFile, safetensorPieces(named, ordered)],
    ]),
    [configFile, tensorFile],
  );
}
