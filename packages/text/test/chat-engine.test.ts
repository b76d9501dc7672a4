import type { GenerateRequest } from '@agent-lightning/core';
import { collectGeneration } from '@agent-lightning/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createChatEngine, type TokenPiece, type TokenRequest, type TokenSampler } from '../src/index.ts';
import { tinyText } from './tiny-text.ts';

const text = tinyText();
const { tokenizer } = text;
const end = text.eosTokenIds[0] as number;
const messages = [{ role: 'user', content: 'How many students are there?' }];
const answer = 'There are three; naïve 日本 🙂';

/** Pieces of the given sizes; the log-probability of token t of a choice is −t/8. */
function cut(choice: number, tokens: Int32Array, sizes: readonly number[]): TokenPiece[] {
  const logprobs = Float32Array.from(tokens, (_, index) => -index / 8);
  const pieces: TokenPiece[] = [];
  for (let at = 0, turn = 0; at < tokens.length; turn += 1) {
    const to = Math.min(tokens.length, at + Math.max(1, sizes[turn] ?? tokens.length));
    const finish = to === tokens.length ? ({ finish: 'stop' } as const) : {};
    pieces.push({ choice, tokens: tokens.slice(at, to), logprobs: logprobs.slice(at, to), ...finish });
    at = to;
  }
  return pieces;
}

const encodeAnswer = (content: string): Int32Array => Int32Array.of(...tokenizer.encode(content, false), end);
const engineOf = (sample: TokenSampler, contextLength = 200): ReturnType<typeof createChatEngine> =>
  createChatEngine({ text, contextLength, sample });
const saying = (content: string): ReturnType<typeof createChatEngine> =>
  engineOf(async () => cut(0, encodeAnswer(content), []));

describe('createChatEngine', () => {
  it('asks for the rendered chat, with the end tokens and all the room that the context leaves', async () => {
    let asked: TokenRequest | undefined;
    const engine = engineOf(async (request) => {
      asked = request;
      return cut(0, encodeAnswer(answer), []);
    });
    const { prompt } = await collectGeneration(engine, { input: { messages }, seed: -1, stop: ['\n'] });
    expect(prompt).toEqual(tokenizer.encode('<|user|>How many students are there?<|end|><|assistant|>', false));
    expect(asked).toEqual({
      prompt,
      choices: 1,
      temperature: 1,
      maxTokens: 200 - prompt.length,
      stopTokens: [end],
      stop: ['\n'],
      seed: Number.MAX_SAFE_INTEGER,
    });
  });

  it('gives the same text and tokens however the sampler cuts its answer, streamed or in one', async () => {
    const tokens = encodeAnswer(answer);
    const whole = await collectGeneration(saying(answer), { input: { messages } });
    expect(whole.choices).toEqual([
      { text: answer, tokens: [...tokens], logprobs: Array.from(tokens, (_, index) => -index / 8), reason: 'stop' },
    ]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 6 })), async (sizes) => {
        const engine = engineOf(async function* () {
          yield* cut(0, tokens, sizes);
        });
        expect(await collectGeneration(engine, { input: { messages } })).toEqual(whole);
      }),
    );
  });

  it('cuts at a stop text, keeps the tokens that completed it, and tells the sampler that the call is over', async () => {
    let signal: AbortSignal | undefined;
    let sampled = 0;
    const engine = engineOf(async function* (_request, given) {
      signal = given;
      for (const piece of cut(
        0,
        encodeAnswer(answer),
        Array.from({ length: 99 }, () => 1),
      )) {
        sampled += 1;
        yield piece;
      }
    });
    const { choices } = await collectGeneration(engine, { input: { messages }, stop: ['three'] });
    expect(choices[0]).toMatchObject({ text: 'There are ', reason: 'stop' });
    expect(choices[0]?.tokens).toHaveLength(sampled);
    expect(tokenizer.decode(choices[0]?.tokens ?? [])).toMatch(/three$/);
    expect(signal?.aborted).toBe(true);
  });

  it('keeps choices apart, also when one ended at a stop text while others go on', async () => {
    const answers = ['one stop two', 'three'].map(encodeAnswer);
    const engine = engineOf(async function* () {
      const lanes = answers.map((tokens, choice) => cut(choice, tokens, [1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1]));
      for (let turn = 0; turn < 20; turn += 1) for (const lane of lanes) if (lane[turn]) yield lane[turn] as TokenPiece;
    });
    const { choices } = await collectGeneration(engine, { input: { messages }, choices: 2, stop: ['stop'] });
    expect(choices.map((choice) => choice.text)).toEqual(['one ', 'three']);
  });

  it.each<[string, readonly TokenPiece[]]>([
    ['answered choice 1 of 1', [{ choice: 1, tokens: Int32Array.of(5), logprobs: new Float32Array(1) }]],
    [
      'gave 2 tokens with 1 log-probabilities',
      [{ choice: 0, tokens: Int32Array.of(5, 6), logprobs: new Float32Array(1) }],
    ],
    ['ended with 1 of 1 choices unfinished', [{ choice: 0, tokens: Int32Array.of(5), logprobs: new Float32Array(1) }]],
  ])('names a sampler that %s', async (message, pieces) => {
    const reading = collectGeneration(
      engineOf(async () => pieces),
      { input: { messages } },
    );
    await expect(reading).rejects.toMatchObject({
      code: 'backend-failed',
      message: expect.stringContaining(message),
    });
  });

  it.each<[Partial<GenerateRequest>, string, string]>([
    [{ temperature: Number.NaN }, 'samples-invalid', 'temperature'],
    [{ choices: 0 }, 'samples-invalid', 'choices'],
    [{ maxTokens: 1.5 }, 'samples-invalid', 'maxTokens'],
    [{ stop: [''] }, 'samples-invalid', 'stop'],
    [{ seed: 0.5 }, 'samples-invalid', 'seed'],
    [{ input: { messages: [] } }, 'samples-invalid', 'messages'],
    [{ input: { prompt: Int32Array.of(3, 300) } }, 'samples-invalid', 'token ids from 0 to 299'],
    [{ input: { prompt: new Int32Array(200) } }, 'context-exceeded', '200 tokens and the context is 200'],
    [{ input: { messages, tools: [{ type: 'function' }] } }, 'option-unsupported', 'tools'],
  ])('refuses %o before it samples', async (change, code, message) => {
    const never: TokenSampler = () => {
      throw new TypeError('the sampler was asked');
    };
    await expect(collectGeneration(engineOf(never), { input: { messages }, ...change })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });

  it('refuses what cannot fit in the context before it renders, parses or encodes it', async () => {
    const contextLength = 200;
    const most = contextLength * tokenizer.longestToken;
    const long = '[],'.repeat(most);
    const called = { function: { name: 'f', arguments: `[${'[],'.repeat(most)}[]]` } };
    const cases: readonly [GenerateRequest['input'], string][] = [
      [{ prompt: long }, `${long.length} characters`],
      [{ messages: [{ role: 'user', content: long }] }, 'characters'],
      [{ messages: Array.from({ length: contextLength + 1 }, () => messages[0]!) }, '201 messages'],
      [{ messages, tools: Array.from({ length: contextLength + 1 }, () => []) }, '201 tools'],
      [
        { messages: [...messages, { role: 'assistant', content: null, tool_calls: [called] }] },
        `${called.function.arguments.length} characters of tool arguments`,
      ],
    ];
    const encoded: number[] = [];
    const watched = Object.create(tokenizer, {
      encode: { value: (encodedText: string) => encoded.push(encodedText.length) },
      longestToken: { value: tokenizer.longestToken },
    }) as typeof tokenizer;
    const engine = createChatEngine({
      text: { ...text, tokenizer: watched },
      contextLength,
      vocabularySize: 300,
      sample: () => Promise.resolve([]),
    });
    for (const [input, message] of cases)
      await expect(collectGeneration(engine, { input })).rejects.toMatchObject({
        code: 'context-exceeded',
        message: expect.stringContaining(message),
      });
    expect(encoded).toEqual([]);
    const tight = 'ab'.repeat(most / 2);
    await expect(
      collectGeneration(
        engineOf(async () => []),
        { input: { prompt: tight } },
      ),
    ).rejects.toMatchObject({
      code: 'context-exceeded',
      message: expect.stringContaining('no token is left for an answer'),
    });
  });

  it('answers no chat without a template, and still a prompt', async () => {
    const engine = createChatEngine({
      text: { ...text, chatTemplate: undefined },
      contextLength: 200,
      sample: async () => cut(0, encodeAnswer('three'), []),
    });
    await expect(collectGeneration(engine, { input: { messages } })).rejects.toThrow(
      '/models/tiny has no chat template',
    );
    expect((await collectGeneration(engine, { input: { prompt: 'How many' } })).choices[0]?.text).toBe('three');
  });

  it('ends as cancelled however the sampler ends, and lets it know', async () => {
    const controller = new AbortController();
    const engine = engineOf(async function* (_request, signal) {
      yield { choice: 0, tokens: Int32Array.of(9), logprobs: new Float32Array(1) };
      controller.abort();
      expect(signal.aborted).toBe(true);
      throw new TypeError('the sampler broke off');
    });
    await expect(collectGeneration(engine, { input: { messages } }, controller.signal)).rejects.toMatchObject({
      code: 'cancelled',
    });
  });

  it('refuses a context length that is none', () => {
    for (const contextLength of [0, 1.5, Number.NaN])
      expect(() => createChatEngine({ text, contextLength, sample: async () => [] })).toThrow(
        expect.objectContaining({ code: 'option-invalid' }),
      );
  });
});
