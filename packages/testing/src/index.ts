// scripted model server
export { startModelServer, type ModelServer, type ModelServerOptions, type RecordedCall, type Responder } from './model-server/model-server.ts';
export type { ChatRequest, ScriptedChoice, ScriptedFault, ScriptedReply, ScriptedToolCall } from './model-server/scripted-reply.ts';
export { endOfTurnToken, scriptedPromptTokens, tokenizeScripted, type ScriptedToken } from './model-server/scripted-tokens.ts';
