import { readFileSync } from 'node:fs';

import type { ChatMessage, JsonValue } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';

import { ChatTemplate, Tokenizer, type TokenizerJson } from '../src/index.ts';

/** Written by tools/reference/make_chat_fixture.py with transformers. */
interface Fixture {
  readonly now: string;
  readonly configs: Readonly<Record<string, TokenizerJson>>;
  /** Tokenizer, template, and the template for chats with tools, if another. */
  readonly families: Readonly<Record<string, readonly [string, string, string | null]>>;
  readonly cases: readonly {
    readonly tokenizer: string;
    readonly family: string;
    readonly chat: string;
    readonly messages: readonly ChatMessage[];
    readonly tools?: readonly JsonValue[];
    readonly rendered?: string;
    readonly ids?: readonly number[];
    /** The template's message when it refused the chat. */
    readonly refused?: string;
  }[];
  readonly texts: readonly {
    readonly tokenizer: string;
    readonly text: string;
    readonly ids: readonly number[];
    readonly decoded: string;
  }[];
}

const read = (name: string): string => readFileSync(new URL(`__fixtures__/${name}`, import.meta.url), 'utf8');
const fixture = JSON.parse(read('chats.json')) as Fixture;
const tokenizers = new Map(
  Object.entries(fixture.configs).map(([name, config]) => [
    name,
    new Tokenizer(JSON.parse(read(`${name}-tokenizer.json`)) as TokenizerJson, config, name),
  ]),
);
const templates = new Map(
  Object.entries(fixture.families).map(([family, [tokenizer, template, toolTemplate]]) => [
    family,
    new ChatTemplate(
      {
        name: family,
        template: read(`templates/${template}.jinja`),
        toolTemplate: toolTemplate === null ? undefined : read(`templates/${toolTemplate}.jinja`),
        now: () => new Date(fixture.now),
      },
      fixture.configs[tokenizer] ?? {},
    ),
  ]),
);

describe.each(Object.keys(fixture.families))('chats in the shape of %s', (family) => {
  const cases = fixture.cases.filter((entry) => entry.family === family);

  it.each(cases.map((entry) => [entry.chat, entry] as const))(
    'become what transformers makes of them: %s',
    (_chat, { tokenizer, messages, tools, rendered, ids, refused }) => {
      const render = (): string => templates.get(family)?.render(messages, tools) ?? '';
      if (refused !== undefined) {
        expect(render).toThrow(refused);
        expect(render).toThrow(expect.objectContaining({ code: 'samples-invalid' }));
        return;
      }
      expect(render()).toBe(rendered);
      expect([...(tokenizers.get(tokenizer)?.encode(render(), false) ?? [])]).toEqual(ids);
    },
  );
});

it.each([...tokenizers])('bare texts become the ids of transformers, and ids its texts: %s', (name, tokenizer) => {
  const texts = fixture.texts.filter((entry) => entry.tokenizer === name);
  expect(texts.length).toBeGreaterThan(10);
  for (const { text, ids, decoded } of texts) {
    expect([...tokenizer.encode(text, true)]).toEqual(ids);
    expect(tokenizer.decode(ids)).toBe(decoded);
  }
});
