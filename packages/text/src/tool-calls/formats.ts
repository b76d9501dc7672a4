/** Declares every format in which models write tool calls. */
import type { ToolCallFormat } from '@agent-lightning/core';

import { parseBraces } from './bodies/braces-body.ts';
import {
  parseDeepSeekFence,
  parseFunctionTag,
  parseHeadedJson,
  parseNamedObject,
  parseNamedObjects,
} from './bodies/json-body.ts';
import { parsePythonCalls } from './bodies/python-body.ts';
import {
  parseFunctionParameters,
  parseInvokeTags,
  parseKeyValueTags,
  parseLoneFunction,
} from './bodies/tagged-body.ts';
import type { ChannelSyntax, MessageKind } from './channel-reader.ts';
import type { CallSyntax, MarkedSyntax, ThoughtMarks } from './marked-call-reader.ts';

/** A format by the way in which it is read: between marks, without marks at the start, or in messages with headers. */
export type FormatSyntax =
  | ({ readonly reader: 'marked' } & MarkedSyntax)
  | { readonly reader: 'bare' }
  | ({ readonly reader: 'channels' } & ChannelSyntax);

const think: ThoughtMarks = { open: '<think>', close: '</think>', place: 'start' };
const toolCall = { open: '<tool_call>', close: '</tool_call>' } as const;
const deepSeekCall = { open: '<｜tool▁call▁begin｜>', close: '<｜tool▁call▁end｜>', strings: 'json' } as const;
const deepSeekFrame = {
  frame: ['<｜tool▁calls▁begin｜>', '<｜tool▁calls▁end｜>'],
  otherTokens: ['<｜tool▁sep｜>'],
  thought: think,
} as const;
const wordName = (head: string): string | undefined => (/^[^\s<>[\]{}"]+$/.test(head) ? head : undefined);

/** Declares a format whose calls are marked in one way. */
function marked(call: CallSyntax, more: Omit<MarkedSyntax, 'calls'> = {}): FormatSyntax {
  return { reader: 'marked', calls: [call], ...more };
}

/** The formats. The first that reads a template's own call is the template's. */
export const formats: Readonly<Record<ToolCallFormat, FormatSyntax>> = {
  hermes: marked({ ...toolCall, strings: 'json', parse: parseNamedObject }, { thought: think }),
  'qwen-xml': {
    reader: 'marked',
    calls: [
      { ...toolCall, strings: { open: '<function=', close: '</function>' }, parse: parseFunctionParameters },
      {
        open: '<function=',
        close: '</function>',
        strings: { open: '<parameter=', close: '</parameter>' },
        parse: parseLoneFunction,
      },
    ],
    thought: think,
  },
  glm: marked(
    { ...toolCall, strings: { open: '<arg_value>', close: '</arg_value>' }, parse: parseKeyValueTags },
    { thought: think },
  ),
  'function-tag': marked(
    { open: '<function=', close: '</function>', strings: 'json', parse: parseFunctionTag },
    { thought: think },
  ),
  gemma: marked(
    {
      open: '<|tool_call>',
      close: '<tool_call|>',
      strings: { open: '<|"|>', close: '<|"|>' },
      parse: parseBraces('<|"|>'),
    },
    {
      frame: ['<|tool_response>'],
      thought: { open: '<|channel>thought\n', close: '<channel|>', place: 'channel' },
      otherTokens: ['<|channel>'],
    },
  ),
  'function-gemma': marked(
    {
      open: '<start_function_call>',
      close: '<end_function_call>',
      strings: { open: '<escape>', close: '<escape>' },
      parse: parseBraces('<escape>'),
    },
    { frame: ['<start_function_response>'] },
  ),
  lfm2: marked(
    { open: '<|tool_call_start|>', close: '<|tool_call_end|>', strings: 'python', parse: parsePythonCalls },
    { thought: think },
  ),
  'deepseek-v3': marked({ ...deepSeekCall, parse: parseDeepSeekFence }, deepSeekFrame),
  'deepseek-v31': marked(
    { ...deepSeekCall, parse: parseHeadedJson({ mark: /<｜tool▁sep｜>/, readName: wordName, cutOff: 'text' }) },
    deepSeekFrame,
  ),
  'kimi-k2': marked(
    {
      open: '<|tool_call_begin|>',
      close: '<|tool_call_end|>',
      strings: 'json',
      parse: parseHeadedJson({
        mark: /<\|tool_call_argument_begin\|>/,
        readName: (head) => /^(?:functions\.)?([^\s:]+):\d+$/.exec(head)?.[1],
        cutOff: 'as-written',
      }),
    },
    {
      frame: ['<|tool_calls_section_begin|>', '<|tool_calls_section_end|>'],
      otherTokens: ['<|tool_call_argument_begin|>'],
      thought: think,
    },
  ),
  mistral: marked(
    {
      open: '[TOOL_CALLS]',
      close: { brackets: '{}' },
      strings: 'json',
      parse: parseHeadedJson({
        mark: /(?:\[CALL_ID\][^[]*)?(?:\[ARGS\])?(?=\{)/,
        readName: wordName,
        cutOff: 'as-written',
      }),
    },
    {
      thought: { open: '[THINK]', close: '[/THINK]', place: 'channel' },
      otherTokens: ['[CALL_ID]', '[ARGS]'],
    },
  ),
  'mistral-list': marked({
    open: '[TOOL_CALLS]',
    close: { brackets: '[]' },
    strings: 'json',
    parse: parseNamedObjects,
  }),
  'phi4-mini': marked({ open: 'functools', close: { brackets: '[]' }, strings: 'json', parse: parseNamedObjects }),
  'toolcall-list': marked(
    { open: '<TOOLCALL>', close: '</TOOLCALL>', strings: 'json', parse: parseNamedObjects },
    { thought: think },
  ),
  harmony: {
    reader: 'channels',
    start: '<|start|>',
    message: '<|message|>',
    ends: ['<|end|>', '<|call|>', '<|return|>'],
    inHeader: ['<|channel|>', '<|constrain|>'],
    classify: classifyHarmony,
  },
  muse: {
    reader: 'channels',
    start: '<|start|>',
    message: '<|message|>',
    ends: ['<|eom|>', '<|eot|>'],
    inHeader: [],
    classify: classifyMuse,
  },
  'llama-json': { reader: 'bare' },
};

/** Reads a header such as `assistant<|channel|>commentary to=functions.sql <|constrain|>json`, with the parts in any order. */
function classifyHarmony(header: string): MessageKind | undefined {
  const recipient = /\bto=([^\s<]+)/.exec(header)?.[1];
  const channel = /<\|channel\|>\s*(\w+)/.exec(header)?.[1];
  if (channel === undefined && recipient === undefined) return undefined;
  const isBuiltIn = recipient === undefined || /^(?:assistant|python|browser|container)(?:\.|$)/.test(recipient);
  if (!isBuiltIn) {
    const name = recipient.replace(/^functions\./, '');
    const parse = (body: string) => [{ name, arguments: body.trim() === '' ? '{}' : body.trim() }];
    return { kind: 'call', parse };
  }
  return { kind: channel === 'analysis' ? 'thought' : 'content' };
}

/** Reads a header such as `assistant to=self`. */
function classifyMuse(header: string): MessageKind | undefined {
  const found = /^(?:<\|start\|>)?\s*(?:assistant)?[^\S\n]*(?:to=([\w.-]+))?\s*$/.exec(header);
  if (found === null) return undefined;
  const [, recipient = 'user'] = found;
  if (recipient === 'self') return { kind: 'thought' };
  return recipient === 'user' ? { kind: 'content' } : { kind: 'call', parse: parseInvokeTags };
}
