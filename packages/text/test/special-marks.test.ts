/** Answers chats with tools by a model whose marks are special tokens, which decoding leaves out. */
import { collectGeneration } from '@agent-lightning/testing';
import type { GenerateRequest, SamplingEngine } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  ChatTemplate,
  createChatEngine,
  createToolCallReader,
  Tokenizer,
  trainBytePairTokenizer,
  type TokenPiece,
} from '../src/index.ts';
import { readPieces } from './read-pieces.ts';

const marks = ['<|channel>', '<channel|>', '<|tool_call>', '<tool_call|>', '<|"|>', '<|tool_response>'];
const specialTokens = ['<|end|>', '<|user|>', '<|model|>', ...marks];
const tokenizer = new Tokenizer(
  trainBytePairTokenizer({ texts: ['call:sql{q: thought SELECT'], vocabularySize: 300, specialTokens }),
  {},
  'the tokenizer with marks',
);
const end = tokenizer.idOf('<|end|>') as number;
const template = (prompt: string): ChatTemplate =>
  new ChatTemplate(
    {
      name: 'the template with marks',
      template: `{%- for message in messages -%}
  {{- '<|' + ('model' if message.role == 'assistant' else 'user') + '|>' + (tools | string | length | string if tools else '') + message.content -}}
  {%- for call in message.tool_calls or [] -%}
    {{- '<|tool_call>call:' + call.function.name + '{key:<|"|>' + call.function.arguments.key + '<|"|>}<tool_call|>' -}}
  {%- endfor -%}
  {{- '<|end|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|model|>${prompt}' -}}{%- endif -%}`,
    },
    {},
  );
const tools = [{ type: 'function', function: { name: 'sql', parameters: { properties: { q: { type: 'string' } } } } }];
const messages = [{ role: 'user', content: 'Hi' }];
const answer =
  '<|channel>thought\nNaïve 日本.<channel|>I look 🙂.<|tool_call>call:sql{q:<|"|>SELECT 日本<|"|>}<tool_call|>';

/** Samples the answer in pieces of the given sizes. */
function createEngine(text: string, sizes: readonly number[] = [], prompt = ''): SamplingEngine {
  const tokens = Int32Array.of(...tokenizer.encode(text, false), end);
  return createChatEngine({
    text: { directory: '/models/marks', tokenizer, chatTemplate: template(prompt), eosTokenIds: [end] },
    contextLength: 1000,
    async *sample() {
      let at = 0;
      for (const size of [...sizes, tokens.length]) {
        const to = Math.min(tokens.length, at + size);
        const finish: Pick<TokenPiece, 'finish'> = to === tokens.length ? { finish: 'stop' } : {};
        yield { choice: 0, tokens: tokens.slice(at, to), logprobs: new Float32Array(to - at), ...finish };
        at = to;
        if (at === tokens.length) return;
      }
    },
  });
}

async function textOf(engine: SamplingEngine, request: Partial<GenerateRequest['input']> = {}): Promise<string> {
  const { choices } = await collectGeneration(engine, { input: { messages, ...request } as GenerateRequest['input'] });
  return choices[0]?.text ?? '';
}

describe('marks that are special tokens', () => {
  it('stay in the text for the reader, however the tokens come', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 60 }), async (sizes) => {
        const text = await textOf(createEngine(answer, sizes), { tools });
        expect(text).toBe(answer);
        expect(readPieces(createToolCallReader('gemma', { tools }), text.split(''))).toEqual({
          content: 'I look 🙂.',
          thought: 'Naïve 日本.',
          calls: [{ name: 'sql', arguments: '{"q": "SELECT 日本"}' }],
        });
      }),
      { numRuns: 30 },
    );
  });

  it('stay without tools too, since thoughts could not be told from the answer, and not for a bare prompt', async () => {
    expect(await textOf(createEngine(answer))).toBe(answer);
    const { choices } = await collectGeneration(createEngine(answer), { input: { prompt: 'Hi' } });
    expect(choices[0]?.text).toBe('thought\nNaïve 日本.I look 🙂.call:sql{q:SELECT 日本}');
  });

  it('at the end of the prompt say that the answer begins within a thought', async () => {
    for (const [prompt, expected] of [
      ['', undefined],
      ['<|channel>thought\\n', true],
      ['<|channel>thought\\n<channel|>', undefined],
    ] as const) {
      const events = createEngine(answer, [], prompt).generate({ input: { messages } });
      for await (const event of events) if (event.type === 'prompt') expect(event.isThinking).toBe(expected);
    }
  });
});
