// a model's text side
export { loadText, optionalTextFiles, readText, requiredTextFiles, type ModelText } from './model-text.ts';
export { ChatTemplate } from './chat-template.ts';
export type { ChatTemplateSource } from './template-source.ts';
export { Tokenizer, type TokenizerJson } from './tokenizer.ts';
export { trainBytePairTokenizer, type BytePairOptions } from './byte-pair-training.ts';

// samplers of tokens that answer chats
export {
  createChatEngine,
  type ChatEngineOptions,
  type TokenPiece,
  type TokenRequest,
  type TokenSampler,
} from './chat-engine.ts';

// answers to imitate
export { encodeAnswer } from './encode-answer.ts';

// tool calls in sampled text
export { createToolCallReader, hasChannels } from './tool-calls/tool-call-reader.ts';
export type { ReadText, ToolCall, ToolCallReader, ToolCallReaderOptions } from './tool-calls/tool-call.ts';

// JSON text in pieces
export { splitMember, splitMembers } from './json-pieces.ts';

// files of a model directory, for packages that read more of it
export {
  corrupt,
  parseJson,
  readIfPresent,
  readModelFiles,
  unsupported,
  type JsonObject,
  type ModelFileNames,
} from './model-files.ts';
