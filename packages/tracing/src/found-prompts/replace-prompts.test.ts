import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '@agent-lightning/core';
import type { ModelRoute, PromptKind } from './prompt-places.ts';
import { replacePrompts, type FoundPrompt, type PromptReplacement } from './replace-prompts.ts';

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
type Path = readonly (string | number)[];

const routes: Readonly<Record<string, ModelRoute>> = {
  chat: 'chat/completions',
  completions: 'completions',
  responses: 'responses',
  messages: 'messages',
};

/** The requests of the gateway's corpus, and some with what it lacks. */
const corpus: readonly { readonly route: ModelRoute; readonly body: Json }[] = [
  ...Object.entries(routes).flatMap(([dialect, route]) =>
    readFileSync(new URL(`../../../gateway/test/__fixtures__/corpus/${dialect}.jsonl`, import.meta.url), 'utf8')
      .trim()
      .split('\n')
      .map((line) => ({ route, body: (JSON.parse(line) as { readonly request: Json }).request })),
  ),
  {
    route: 'chat/completions',
    body: {
      messages: [
        { role: 'developer', content: [{ type: 'text', text: 'Say "yes"\n{{slot9}} \\ é 😀.' }] },
        { role: 'user', content: 'Say "yes"' },
      ],
      tools: [
        {
          type: 'function',
          function: {
            name: 'search',
            description: 'Finds rows.',
            parameters: {
              properties: { where: { description: 'A filter.', properties: { by: { description: 'A column.' } } } },
            },
          },
        },
      ],
    },
  },
];

interface NaivePlace {
  readonly path: Path;
  readonly text: string;
  readonly prompt: Omit<FoundPrompt, 'name' | 'text' | 'slots'>;
}

/** Finds the places in a parsed body, in the plainest way. */
function findNaively(route: ModelRoute, body: Json): readonly NaivePlace[] {
  const found: NaivePlace[] = [];
  const read = (path: Path): Json | undefined =>
    path.reduce<Json | undefined>(
      (value, key) => (value as Record<string | number, Json> | null | undefined)?.[key],
      body,
    );
  const add = (path: Path, prompt: NaivePlace['prompt']): void => {
    const text = read(path);
    if (typeof text === 'string' && text.trim() !== '') found.push({ path, text, prompt });
  };
  const listAt = (path: Path): readonly Json[] => (Array.isArray(read(path)) ? (read(path) as readonly Json[]) : []);
  const addContent = (path: Path, kind: PromptKind, most = Infinity): void => {
    if (typeof read(path) === 'string') return add(path, { kind });
    const texts = [...listAt(path).keys()].filter((index) => typeof read([...path, index, 'text']) === 'string');
    for (const index of texts.slice(0, most)) add([...path, index, 'text'], { kind });
  };
  const addMessages = (path: Path): void => {
    const roles = listAt(path).map((_, index) => read([...path, index, 'role']));
    for (const [index, role] of roles.entries()) {
      if (role === 'system' || role === 'developer') addContent([...path, index, 'content'], 'system');
      if (index === roles.indexOf('user')) addContent([...path, index, 'content'], 'beginning', 1);
    }
  };
  const addParameters = (schema: Path, tool: string, around: readonly string[]): void => {
    for (const name of Object.keys(read([...schema, 'properties']) ?? {})) {
      const path = [...schema, 'properties', name];
      add([...path, 'description'], { kind: 'parameter', tool, parameter: [...around, name].join('.') });
      addParameters(path, tool, [...around, name]);
    }
  };
  if (route === 'responses') addContent(['instructions'], 'system');
  if (route === 'messages') addContent(['system'], 'system');
  if (route === 'completions' && typeof read(['prompt']) === 'string') add(['prompt'], { kind: 'beginning' });
  else if (route === 'completions' && listAt(['prompt']).length === 1) add(['prompt', 0], { kind: 'beginning' });
  else if (route === 'responses' && typeof read(['input']) === 'string') add(['input'], { kind: 'beginning' });
  else if (route !== 'completions') addMessages(route === 'responses' ? ['input'] : ['messages']);
  for (const index of listAt(['tools']).keys()) {
    const path: Path =
      read(['tools', index, 'function']) === undefined ? ['tools', index] : ['tools', index, 'function'];
    const tool = read([...path, 'name']);
    if (typeof tool !== 'string') continue;
    add([...path, 'description'], { kind: 'tool', tool });
    addParameters([...path, read([...path, 'parameters']) === undefined ? 'input_schema' : 'parameters'], tool, []);
  }
  return found;
}

/** Writes JSON with chance in its white space, numbers and escapes; `marker` takes the place of the value at `path`. */
function print(value: Json, random: () => number, path: Path | undefined, marker: string): string {
  if (path?.length === 0) return marker;
  const space = (): string => ['', '', ' ', '\n', '\t', '\r\n  '][Math.floor(random() * 6)]!;
  const inner = (key: string | number): Path | undefined => (path?.[0] === key ? path.slice(1) : undefined);
  const text = (given: string): string =>
    JSON.stringify(given).replaceAll(/[a-zé/]/g, (character) =>
      random() < 0.1 ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}` : character,
    );
  if (typeof value === 'string') return text(value);
  if (typeof value === 'number') return random() < 0.5 ? String(value) : `${value.toExponential().replace('e', 'E')}`;
  if (typeof value !== 'object' || value === null) return String(value);
  const parts = Array.isArray(value)
    ? value.map((item: Json, index) => space() + print(item, random, inner(index), marker) + space())
    : Object.entries(value as { readonly [name: string]: Json }).map(
        ([key, item]) =>
          `${space()}${text(key)}${space()}:${space()}${print(item, random, inner(key), marker)}${space()}`,
      );
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  return `${open}${parts.length === 0 ? space() : parts.join(',')}${close}`;
}

const printed = fc
  .record({ index: fc.nat(), place: fc.nat(), seed: fc.integer(), text: fc.string({ unit: 'grapheme' }) })
  .filter(({ index }) => findNaively(...pick(index)).length > 0);

function pick(index: number): readonly [ModelRoute, Json] {
  const { route, body } = corpus[index % corpus.length]!;
  return [route, body];
}

const marker = '@@the string@@';

describe('replacePrompts', () => {
  it('changes one string of a body of any dialect, and no other byte', () => {
    fc.assert(
      fc.property(printed, ({ index, place, seed, text }) => {
        const [route, body] = pick(index);
        const places = findNaively(route, body);
        const chosen = places[place % places.length]!;
        // Of equal texts the first is meant.
        const first = places.find(
          (each) => each.text === chosen.text && JSON.stringify(each.prompt) === JSON.stringify(chosen.prompt),
        )!;
        const around = print(body, seededRandom(seed, 'print'), first.path, marker).split(marker);
        const given = around.join(JSON.stringify(chosen.text));
        const prompt = { name: 'p', ...chosen.prompt, text: chosen.text, slots: [] };
        const replaced = replacePrompts(route, given, [{ prompt, text }]);
        expect(replaced).toEqual({ body: around.join(JSON.stringify(text)), replaced: ['p'], missing: [] });
        expect(replacePrompts(route, given, [{ prompt, text: chosen.text }]).body).toBe(given);
      }),
      { numRuns: 300 },
    );
  });

  it('finds what a plain reading of the parsed body finds', () => {
    for (const { route, body } of corpus) {
      const text = JSON.stringify(body);
      for (const { prompt, text: found } of findNaively(route, body)) {
        const one = { prompt: { name: 'p', ...prompt, text: found, slots: [] }, text: found };
        expect(replacePrompts(route, text, [one]).missing).toEqual([]);
      }
    }
  });

  it('leaves a body alone that is no JSON object, or is cut off anywhere', () => {
    const body = '{"messages":[{"role":"system","content":"Be brief."}]}';
    for (let length = 0; length < body.length; length += 1)
      expect(replaceSystem(body.slice(0, length), 'Be brief.', 'Be long.').body).toBe(body.slice(0, length));
    for (const other of [
      'null',
      '7',
      '"Be brief."',
      '[]',
      '{"messages":{}}',
      '{"messages":[7,{"role":7,"content":{}}]}',
    ])
      expect(replaceSystem(other, 'Be brief.', 'x')).toEqual({ body: other, replaced: [], missing: ['p'] });
  });

  it('reads the last of several members of one name, as a parser does', () => {
    const body = '{"messages":[],"messages":[{"role":"user","role":"system","content":"A","content":"B"}]}';
    expect(replaceSystem(body, 'A', 'C').missing).toEqual(['p']);
    expect(replaceSystem(body, 'B', 'C').body).toBe(body.replace('"B"', '"C"'));
  });

  it('works on a body that is nested deeper than a stack', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    const body = `{"x":${deep},"messages":[{"role":"system","content":"A"}]}`;
    expect(replaceSystem(body, 'A', 'B').body).toBe(body.replace('"A"', '"B"'));
  });

  it('puts the values of slots into the new text, and takes none of them for a slot', () => {
    const body = JSON.stringify({ instructions: 'You know {{slot2}} of Rome. Be brief.', input: 'q' });
    const prompt = { ...system('You know {{slot1}} of {{slot2}}. Be brief.'), slots: ['slot1', 'slot2'] };
    const { body: replaced } = replacePrompts('responses', body, [{ prompt, text: '{{slot2}}: {{slot1}} {{slot2}}!' }]);
    expect(JSON.parse(replaced)).toEqual({ instructions: 'Rome: {{slot2}} Rome!', input: 'q' });
  });

  it('replaces pieces of one text', () => {
    const body = JSON.stringify({ system: 'Role: cook. Goal: soup. Always cook well.' });
    const replaced = replacePrompts('messages', body, [
      { prompt: system('cook', 'role'), text: 'baker' },
      { prompt: system('Goal: soup.', 'goal'), text: 'Goal: bread.' },
      { prompt: system('Goal: stew.', 'other'), text: 'x' },
    ]);
    expect(JSON.parse(replaced.body)).toEqual({ system: 'Role: baker. Goal: bread. Always cook well.' });
    expect(replaced.replaced.toSorted()).toEqual(['goal', 'role']);
    expect(replaced.missing).toEqual(['other']);
  });

  it('does not take the text of one prompt for another one', () => {
    const body = JSON.stringify({
      messages: [
        { role: 'system', content: 'A' },
        { role: 'system', content: 'B' },
      ],
    });
    const swap: readonly PromptReplacement[] = [
      { prompt: system('A', 'a'), text: 'B' },
      { prompt: system('B', 'b'), text: 'A' },
    ];
    expect(replacePrompts('chat/completions', body, swap).body).toBe(
      JSON.stringify({
        messages: [
          { role: 'system', content: 'B' },
          { role: 'system', content: 'A' },
        ],
      }),
    );
  });

  it('replaces a beginning only where a message begins with it', () => {
    const prompt: FoundPrompt = { name: 'p', kind: 'beginning', text: 'Answer in {{slot1}}: ', slots: ['slot1'] };
    const ask = (content: string) =>
      replacePrompts('chat/completions', JSON.stringify({ messages: [{ role: 'user', content }] }), [
        { prompt, text: 'In {{slot1}}, please: ' },
      ]);
    expect(ask('Answer in French: who?').body).toContain('"In French, please: who?"');
    expect(ask('So. Answer in French: who?').missing).toEqual(['p']);
  });
});

function system(text: string, name = 'p'): FoundPrompt {
  return { name, kind: 'system', text, slots: [] };
}

function replaceSystem(body: string, text: string, by: string) {
  return replacePrompts('chat/completions', body, [{ prompt: system(text), text: by }]);
}
