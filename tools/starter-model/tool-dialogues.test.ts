import { seededRandom } from '@agent-lightning/core';
import { ChatTemplate, createToolCallReader, Tokenizer, type ModelText } from '@agent-lightning/text';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { catalog } from './tool-catalog.ts';
import { makeDialogue } from './tool-dialogues.ts';
import { toTrainingSamples } from './training-samples.ts';

const template = readFileSync(
  join(import.meta.dirname, '../../packages/gpu/starter-model/chat_template.jinja'),
  'utf8',
).trimEnd();
const chatTemplate = new ChatTemplate({ template, name: 'the starter model' }, {});
const special = ['<|im_start|>', '<|im_end|>'];

/** A tokenizer of one token for each character of the dialogues, and the model's two marks. */
function makeText(): ModelText {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  // The byte-level alphabet: printable bytes stand for themselves, the others for characters from U+0100 on.
  const isPlain = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173);
  let next = 256;
  const symbols = bytes.map((byte) => String.fromCodePoint(isPlain(byte) ? byte : next++));
  const vocab = Object.fromEntries([...symbols, ...special].map((symbol, id) => [symbol, id]));
  const added = special.map((content) => ({ id: vocab[content]!, content, special: true, normalized: false }));
  const tokenizer = new Tokenizer(
    {
      model: { type: 'BPE', vocab, merges: [] },
      added_tokens: added.map((token) => ({ ...token, single_word: false, lstrip: false, rstrip: false })),
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
      decoder: { type: 'ByteLevel' },
      normalizer: null,
      post_processor: null,
    },
    {},
    'test',
  );
  return { directory: 'test', tokenizer, chatTemplate, eosTokenIds: [vocab['<|im_end|>']!] };
}

const dialogues = Array.from({ length: 200 }, (_, seed) => makeDialogue(seededRandom(seed)));

describe('the dialogues', () => {
  it('are the same for the same random numbers, and use every tool', () => {
    expect(makeDialogue(seededRandom(5))).toEqual(dialogues[5]);
    const text = JSON.stringify(dialogues.map(({ messages }) => messages));
    expect(catalog.filter(({ name }) => !text.includes(`"name":"${name}"`))).toEqual([]);
  });

  it('call only tools that are offered, with the arguments of their schema', () => {
    for (const { messages, tools } of dialogues) {
      const offered = new Map(
        (tools as unknown as { function: { name: string; parameters: { required: string[] } } }[]).map((tool) => [
          tool.function.name,
          tool.function.parameters.required,
        ]),
      );
      for (const message of messages) {
        const calls = (message['tool_calls'] ?? []) as unknown as { function: { name: string; arguments: string } }[];
        for (const call of calls)
          expect(Object.keys(JSON.parse(call.function.arguments) as object)).toEqual(offered.get(call.function.name));
      }
    }
  });
});

describe('the training samples', () => {
  it('learn what the assistant says, to its end token, in the format that is read back', () => {
    const text = makeText();
    const samples = toTrainingSamples(text, dialogues);
    for (const [index, { tokens, lossMask }] of samples.entries()) {
      const learned = Array.from(tokens, (token, t) => (lossMask[t] === 1 ? text.tokenizer.textOf(token) : '')).join(
        '',
      );
      const said = dialogues[index]!.messages.filter(({ role }) => role === 'assistant');
      const turns = learned.split('<|im_end|>').slice(0, -1);
      expect(turns).toHaveLength(said.length);
      for (const [turn, message] of said.entries()) {
        const reader = createToolCallReader('hermes');
        const read = reader.push(turns[turn]!);
        const calls = (message['tool_calls'] ?? []) as unknown as { function: { name: string; arguments: string } }[];
        expect(read.content + reader.end().content).toBe(message.content);
        const parsed = (name: string, text: string): unknown => ({ name, arguments: JSON.parse(text) });
        expect(read.calls.map((call) => parsed(call.name, call.arguments))).toEqual(
          calls.map(({ function: { name, arguments: given } }) => parsed(name, given)),
        );
      }
    }
  });

  it('weigh every learned token of the batch the same, all together 1', () => {
    const samples = toTrainingSamples(makeText(), dialogues.slice(0, 20));
    const weights = samples.flatMap(({ advantages }) => [...advantages]);
    expect(weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 4);
    expect(new Set(weights).size).toBe(2);
    expect(
      samples.every(({ lossMask, advantages }) => lossMask.every((bit, t) => bit === 1 || advantages[t] === 0)),
    ).toBe(true);
  });
});
