/** Builds the command line and the environment of `vllm serve` for a policy in training. */
import type { ToolCallFormat } from '@agent-lightning/core';
import type { ResolvedStart } from './vllm-options.ts';

/** The model of a server. */
export interface ServedModel {
  /** A Hugging Face model directory. */
  readonly directory: string;
  /** The rank of the adapters. */
  readonly loraRank: number;
  /** The most tokens of prompt and response together. */
  readonly contextLength: number;
  /** The form of tool calls that the chat template asks for; undefined where it is not known. */
  readonly toolCallFormat: ToolCallFormat | undefined;
  /** The precision in which the worker computes, such as 'float32'; undefined where it does not say. */
  readonly dtype: string | undefined;
}

/** The ranks that vLLM allocates. */
const ranks = [8, 16, 32, 64, 128, 256, 320, 512];
/** The names under which vLLM has parsers for the formats; undefined where it has none. */
const parsers: Readonly<Record<ToolCallFormat, string | undefined>> = {
  hermes: 'hermes',
  'qwen-xml': 'qwen3_coder',
  glm: 'glm45',
  'llama-json': 'llama3_json',
  'function-tag': undefined,
  gemma: 'gemma4',
  'function-gemma': 'functiongemma',
  lfm2: 'lfm2',
  'deepseek-v3': 'deepseek_v3',
  'deepseek-v31': 'deepseek_v31',
  'kimi-k2': 'kimi_k2',
  mistral: 'mistral',
  'mistral-list': 'mistral',
  'phi4-mini': 'phi4_mini_json',
  'toolcall-list': undefined,
  harmony: 'openai',
  muse: 'muse_glimmer',
};

/** Returns the words after the program. None is secret, since others on the machine can read them. */
export function serveArguments(options: ResolvedStart, model: ServedModel, port: number): readonly string[] {
  const { maxLoras, toolCallParser, sleep } = options;
  const parser =
    toolCallParser === undefined
      ? model.toolCallFormat && parsers[model.toolCallFormat]
      : (toolCallParser ?? undefined);
  const rank = ranks.find((allocated) => allocated >= model.loraRank) ?? model.loraRank;
  const values = {
    '--host': '127.0.0.1',
    '--port': port,
    '--max-loras': maxLoras,
    '--max-cpu-loras': maxLoras,
    '--max-lora-rank': rank,
    // The log-probabilities of the distribution that was sampled from, which no file of the model changes.
    '--logprobs-mode': 'processed_logprobs',
    '--generation-config': 'vllm',
    '--gpu-memory-utilization': options.gpuMemoryUtilization,
    '--max-model-len': model.contextLength,
    // Left alone, vLLM turns a float32 model into bfloat16, and samples from another distribution than the one that trains.
    ...(model.dtype === undefined ? {} : { '--dtype': model.dtype }),
    ...(parser === undefined ? {} : { '--tool-call-parser': parser }),
  };
  return [
    ...options.command.slice(1),
    'serve',
    model.directory,
    '--enable-lora',
    '--disable-uvicorn-access-log', // a line for each call would push out what matters
    ...Object.entries(values).flatMap(([flag, value]) => [flag, String(value)]),
    ...(parser === undefined ? [] : ['--enable-auto-tool-choice']),
    ...(sleep ? ['--enable-sleep-mode'] : []),
    ...options.args,
  ];
}

export function serveEnvironment(options: ResolvedStart, apiKey: string): Readonly<Record<string, string>> {
  return {
    ...options.env,
    VLLM_API_KEY: apiKey,
    VLLM_ALLOW_RUNTIME_LORA_UPDATING: 'True',
    ...(options.sleep ? { VLLM_SERVER_DEV_MODE: '1' } : {}),
  };
}
