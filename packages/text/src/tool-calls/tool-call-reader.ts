/** Splits sampled text into content, thoughts and tool calls, in the format of the model's chat template. */
import { check, type ToolCallFormat } from '@agent-lightning/core';

import { BareCallReader, pythonTag } from './bare-call-reader.ts';
import { ChannelReader } from './channel-reader.ts';
import { formats } from './formats.ts';
import { MarkedCallReader } from './marked-call-reader.ts';
import type { ToolCallReader, ToolCallReaderOptions } from './tool-call.ts';
import { ToolSchemas } from './tool-schemas.ts';

/** Creates the reader of one answer. Text that is no call, broken calls included, stays content. */
export function createToolCallReader(format: ToolCallFormat, options: ToolCallReaderOptions = {}): ToolCallReader {
  check.knownOptions('createToolCallReader', options, ['tools', 'isThinking', 'thinkTags']);
  const { tools = [], isThinking = false, thinkTags = 'thought' } = options;
  const syntax = formats[format];
  const schemas = new ToolSchemas(tools);
  switch (syntax.reader) {
    case 'marked':
      return new MarkedCallReader(syntax, { tools: schemas, isThinking, keepsThinkTags: thinkTags === 'content' });
    case 'channels':
      return new ChannelReader(syntax, schemas);
    case 'bare':
      return new BareCallReader();
  }
}

/**
 * Tells whether a format puts thoughts into a channel of their own. Its answers must be read also when a request has no tools:
 * without its marks, a thought cannot be told from an answer.
 */
export function hasChannels(format: ToolCallFormat): boolean {
  const syntax = formats[format];
  return syntax.reader === 'channels' || (syntax.reader === 'marked' && syntax.thought?.place === 'channel');
}

/** Returns the marks of a format, which its reader must see even where they are special tokens. */
export function marksOf(format: ToolCallFormat): readonly string[] {
  const syntax = formats[format];
  switch (syntax.reader) {
    case 'bare':
      return [pythonTag];
    case 'channels':
      return [syntax.start, syntax.message, ...syntax.ends, ...syntax.inHeader];
    case 'marked': {
      const { calls, frame = [], thought, otherTokens = [] } = syntax;
      const inCalls = calls.flatMap(({ open, close, strings }) => [
        open,
        ...(typeof close === 'string' ? [close] : []),
        ...(typeof strings === 'string' ? [] : [strings.open, strings.close]),
      ]);
      return [...inCalls, ...frame, ...otherTokens, ...(thought === undefined ? [] : [thought.open, thought.close])];
    }
  }
}

/** Tells whether an answer begins within a thought, because the prompt ends with the mark that opens one. */
export function endsInThought(format: ToolCallFormat, prompt: string): boolean {
  const syntax = formats[format];
  return (
    syntax.reader === 'marked' && syntax.thought !== undefined && prompt.trimEnd().endsWith(syntax.thought.open.trim())
  );
}
