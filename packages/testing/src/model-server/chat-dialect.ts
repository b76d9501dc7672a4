import type { ChatRequest, ScriptedChoice, ScriptedReply } from './scripted-reply.ts';
import { endOfTurnToken, promptTokensOf, tokenizeScripted, type ScriptedToken } from './scripted-tokens.ts';

type Payload = Record<string, unknown>;

/** A part of a choice: the content of a delta, and the tokens that it took. */
export interface Piece {
  readonly delta: Payload;
  readonly tokens: readonly ScriptedToken[];
}

export interface Choice {
  readonly message: Payload;
  readonly pieces: readonly Piece[];
  readonly finishReason: string;
  readonly endTokens: readonly ScriptedToken[];
}

/** A reply with all its tokens, ready to be written as a whole or as a stream, in either dialect. */
export interface BuiltReply {
  readonly id: string;
  readonly model: string;
  readonly choices: readonly Choice[];
  readonly promptIds: readonly number[];
  readonly usage: Payload;
}

function toolCallOf(
  call: NonNullable<ScriptedChoice['toolCalls']>[number],
  choice: number,
  index: number,
): { id: string; name: string; arguments: string } {
  return {
    id: call.id ?? `call_${choice}_${index}`,
    name: call.name,
    arguments: typeof call.arguments === 'string' ? call.arguments : JSON.stringify(call.arguments),
  };
}

function piecesOfTexts(field: string, text: string | null | undefined): Piece[] {
  return tokenizeScripted(text ?? '').map((token) => ({ delta: { [field]: token.text }, tokens: [token] }));
}

function piecesOfToolCall(call: { id: string; name: string; arguments: string }, index: number): Piece[] {
  const head = { index, id: call.id, type: 'function', function: { name: call.name, arguments: '' } };
  return [
    { delta: { tool_calls: [head] }, tokens: tokenizeScripted(call.name) },
    ...tokenizeScripted(call.arguments).map((token) => ({
      delta: { tool_calls: [{ index, function: { arguments: token.text } }] },
      tokens: [token],
    })),
  ];
}

/** Lays the scripted ids and log-probabilities over the pieces, keeping their number of tokens where it fits; the rest ends the choice. */
function withScriptedTokens(
  pieces: readonly Piece[],
  end: readonly ScriptedToken[],
  scripted: ScriptedChoice,
): { pieces: Piece[]; end: ScriptedToken[] } {
  const natural = [...pieces.flatMap((piece) => piece.tokens), ...end];
  const length = Math.max(scripted.tokenIds?.length ?? natural.length, scripted.logprobs?.length ?? 0);
  const all = Array.from({ length }, (_, index): ScriptedToken => ({
    text: natural[index]?.text ?? '',
    id: scripted.tokenIds === undefined ? (natural[index]?.id ?? 0) : (scripted.tokenIds[index] ?? -1),
    logprob:
      scripted.logprobs === undefined ? (natural[index]?.logprob ?? -1) : (scripted.logprobs[index] ?? Number.NaN),
  }));
  let next = 0;
  const laid = pieces.map((piece) => ({ delta: piece.delta, tokens: all.slice(next, (next += piece.tokens.length)) }));
  return { pieces: laid, end: all.slice(next) };
}

function choiceOf(scripted: ScriptedChoice, index: number): Choice {
  const calls = (scripted.toolCalls ?? []).map((call, position) => toolCallOf(call, index, position));
  const finishReason = scripted.finishReason ?? (calls.length > 0 ? 'tool_calls' : 'stop');
  const content = scripted.content === undefined ? (calls.length > 0 ? null : '') : scripted.content;
  const natural = [
    ...piecesOfTexts('reasoning_content', scripted.reasoning),
    ...piecesOfTexts('content', content),
    ...piecesOfTexts('refusal', scripted.refusal),
    ...calls.flatMap(piecesOfToolCall),
  ];
  const { pieces, end } = withScriptedTokens(natural, finishReason === 'length' ? [] : [endOfTurnToken], scripted);
  const message: Payload = { role: 'assistant', content, refusal: scripted.refusal ?? null };
  if (scripted.reasoning !== undefined) message['reasoning_content'] = scripted.reasoning;
  if (calls.length > 0)
    message['tool_calls'] = calls.map((call) => ({
      id: call.id,
      type: 'function',
      function: { name: call.name, arguments: call.arguments },
    }));
  return { message, pieces, finishReason, endTokens: end };
}

/** Resolves a script's answer against its request. */
export function buildReply(request: ChatRequest, reply: ScriptedReply, callIndex: number): BuiltReply {
  const scripted = reply.choices ?? Array.from({ length: request.n ?? 1 }, () => reply);
  const choices = scripted.map(choiceOf);
  const promptIds = reply.promptTokenIds ?? promptTokensOf(request);
  const completion = choices.reduce((sum, choice) => sum + tokensOf(choice).length, 0);
  const counted = {
    prompt_tokens: promptIds.length,
    completion_tokens: completion,
    total_tokens: promptIds.length + completion,
  };
  return {
    id: reply.id ?? `chatcmpl-${callIndex}`,
    model: reply.model ?? request.model ?? 'scripted',
    choices,
    promptIds,
    usage: { ...counted, ...reply.usage },
  };
}

/** Returns every token of a choice, its end included. */
export function tokensOf(choice: Choice): readonly ScriptedToken[] {
  return [...choice.pieces.flatMap((piece) => piece.tokens), ...choice.endTokens];
}

function logprobsOf(tokens: readonly ScriptedToken[], top: number): Payload {
  return {
    content: tokens.map((token) => {
      const entry = { token: token.text, logprob: token.logprob, bytes: [...Buffer.from(token.text)] };
      return { ...entry, top_logprobs: top > 0 ? [entry] : [] };
    }),
  };
}

/** Returns what the reply shows besides the text: what the request asks for and the script allows. */
function viewOf(request: ChatRequest, reply: ScriptedReply): { ids: boolean; logprobs: boolean; top: number } {
  return {
    ids: request['return_token_ids'] === true && reply.reportsTokens !== false,
    logprobs: request['logprobs'] === true,
    top: typeof request['top_logprobs'] === 'number' ? request['top_logprobs'] : 0,
  };
}

/** Returns the unstreamed reply, as OpenAI and vLLM send it. */
export function chatCompletion(request: ChatRequest, reply: ScriptedReply, built: BuiltReply): Payload {
  const view = viewOf(request, reply);
  return {
    id: built.id,
    object: 'chat.completion',
    created: 1_700_000_000,
    model: built.model,
    choices: built.choices.map((choice, index) => ({
      index,
      message: choice.message,
      logprobs: view.logprobs ? logprobsOf(tokensOf(choice), view.top) : null,
      finish_reason: choice.finishReason,
      ...(view.ids ? { token_ids: tokensOf(choice).map((token) => token.id) } : {}),
    })),
    ...(reply.reportsUsage === false ? {} : { usage: built.usage }),
    ...(view.ids ? { prompt_token_ids: built.promptIds } : {}),
  };
}

/** Joins neighbouring pieces of the same field into chunks of the scripted numbers of tokens. */
function chunksOf(choice: Choice, sizes: readonly number[]): Piece[] {
  const chunks: Piece[] = [];
  let room = 0;
  for (const piece of choice.pieces) {
    const last = chunks.at(-1);
    const field = Object.keys(piece.delta)[0] ?? '';
    const isText = typeof piece.delta[field] === 'string';
    if (room > 0 && isText && last !== undefined && typeof last.delta[field] === 'string') {
      chunks[chunks.length - 1] = {
        delta: { [field]: `${last.delta[field]}${String(piece.delta[field])}` },
        tokens: [...last.tokens, ...piece.tokens],
      };
      room -= 1;
    } else {
      room = Math.max(1, sizes[chunks.length % sizes.length] ?? 1) - 1;
      chunks.push(piece);
    }
  }
  return chunks;
}

/** Returns the streamed reply, chunk by chunk, in vLLM's order: role and prompt ids, deltas of each choice, finish, then usage when asked for. */
export function chatCompletionChunks(request: ChatRequest, reply: ScriptedReply, built: BuiltReply): Payload[] {
  const view = viewOf(request, reply);
  const head = { id: built.id, object: 'chat.completion.chunk', created: 1_700_000_000, model: built.model };
  const chunk = (
    index: number,
    delta: Payload,
    tokens: readonly ScriptedToken[],
    finishReason: string | null,
  ): Payload => ({
    ...head,
    choices: [
      {
        index,
        delta,
        logprobs: view.logprobs && tokens.length > 0 ? logprobsOf(tokens, view.top) : null,
        finish_reason: finishReason,
        ...(view.ids && tokens.length > 0 ? { token_ids: tokens.map((token) => token.id) } : {}),
      },
    ],
  });
  const opening = built.choices.map((_, index) => chunk(index, { role: 'assistant', content: '' }, [], null));
  if (view.ids && opening[0] !== undefined) opening[0]['prompt_token_ids'] = built.promptIds;
  const bodies = built.choices.map((choice, index) => [
    ...chunksOf(choice, reply.chunkTokens ?? [1]).map((piece) => chunk(index, piece.delta, piece.tokens, null)),
    chunk(index, {}, choice.endTokens, choice.finishReason),
  ]);
  const longest = Math.max(0, ...bodies.map((body) => body.length));
  const interleaved = Array.from({ length: longest }, (_, position) =>
    bodies.flatMap((body) => body.slice(position, position + 1)),
  ).flat();
  const options = request['stream_options'] as { include_usage?: boolean } | undefined;
  const usage =
    options?.include_usage === true && reply.reportsUsage !== false
      ? [{ ...head, choices: [], usage: built.usage }]
      : [];
  return [...opening, ...interleaved, ...usage];
}
