import type { ToolCallFormat } from '@agent-lightning/core';
import { expect, it } from 'vitest';

import { serveArguments } from './serve-arguments.ts';
import { resolveVllm, type ResolvedStart } from './vllm-options.ts';

const model = { directory: '/models/tiny', loraRank: 8, contextLength: 2048, dtype: undefined };
const parserOf = (toolCallFormat: ToolCallFormat | undefined, toolCallParser?: string | null): string | undefined => {
  const options = resolveVllm(toolCallParser === undefined ? {} : { toolCallParser }) as ResolvedStart;
  const words = serveArguments(options, { ...model, toolCallFormat }, 8000);
  const at = words.indexOf('--tool-call-parser');
  expect(words.includes('--enable-auto-tool-choice')).toBe(at >= 0);
  return at < 0 ? undefined : words[at + 1];
};

it.each<[ToolCallFormat | undefined, string | undefined]>([
  ['hermes', 'hermes'],
  ['qwen-xml', 'qwen3_coder'],
  ['glm', 'glm45'],
  ['llama-json', 'llama3_json'],
  ['gemma', 'gemma4'],
  ['function-gemma', 'functiongemma'],
  ['lfm2', 'lfm2'],
  ['deepseek-v3', 'deepseek_v3'],
  ['deepseek-v31', 'deepseek_v31'],
  ['kimi-k2', 'kimi_k2'],
  ['mistral', 'mistral'],
  ['mistral-list', 'mistral'],
  ['phi4-mini', 'phi4_mini_json'],
  ['harmony', 'openai'],
  ['muse', 'muse_glimmer'],
  ['function-tag', undefined],
  ['toolcall-list', undefined],
  [undefined, undefined],
])('gives vLLM its parser of %s: %s', (format, parser) => {
  expect(parserOf(format)).toBe(parser);
  expect(parserOf(format, 'my_parser')).toBe('my_parser');
  expect(parserOf(format, null)).toBeUndefined();
});
