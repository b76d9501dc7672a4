/** Splits sampled text into content and tool calls, in the format of the model's chat template. */
import type { ToolCallFormat } from '@agent-lightning/core';

import { BareCallReader } from './bare-call-reader.ts';
import { MarkedCallReader } from './marked-call-reader.ts';
import { parseObject, type ToolCall, type ToolCallReader } from './tool-call.ts';

/** Creates the reader of one answer. Text that is no call, broken JSON included, stays content. */
export function createToolCallReader(format: ToolCallFormat): ToolCallReader {
  switch (format) {
    case 'hermes':
      return new MarkedCallReader({ open: '<tool_call>', close: '</tool_call>', parse: parseHermes });
    case 'function-tag':
      return new MarkedCallReader({ open: '<function=', close: '</function>', parse: parseFunctionTag });
    case 'llama-json':
      return new BareCallReader();
  }
}

/** Parses `{"name": …, "arguments": {…}}`; a call without arguments may leave them out. */
function parseHermes(text: string): ToolCall | undefined {
  const { name, arguments: given } = parseObject(text) ?? {};
  if (typeof name !== 'string') return undefined;
  return { name, arguments: typeof given === 'string' ? given : JSON.stringify(given ?? {}) };
}

/** Parses `name>{…}`, the text between `<function=` and `</function>`. */
function parseFunctionTag(text: string): ToolCall | undefined {
  const at = text.indexOf('>');
  const name = text.slice(0, Math.max(0, at)).trim();
  const given = parseObject(text.slice(at + 1));
  return name === '' || given === undefined ? undefined : { name, arguments: JSON.stringify(given) };
}
