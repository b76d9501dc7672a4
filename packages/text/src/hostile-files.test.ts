import { BackendError } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { ChatTemplate } from './chat-template.ts';
import { JinjaTemplate } from './jinja-template.ts';
import { renderWithin, spend } from './jinja/render-budget.ts';
import { runWithin } from './time-limit.ts';
import { Tokenizer, type TokenizerJson } from './tokenizer.ts';
import type { Value } from './jinja/values.ts';

function fill(template: string, variables: Readonly<Record<string, Value>> = {}): string {
  const jinja = new JinjaTemplate(template, 'hostile/chat_template.jinja', () => new Date(0));
  return jinja.render(new Map(Object.entries(variables)));
}

const twice = (body: string, times = 60): string =>
  `{% set ns = namespace(x='ab', l=[1]) %}{% for i in range(${times}) %}${body}{% endfor %}`;

describe('a chat template that would never end', () => {
  it.each([
    [
      'loops within loops',
      `${'{% for a in range(100000) %}'.repeat(4)}{% endfor %}{% endfor %}{% endfor %}{% endfor %}`,
    ],
    ['a text that doubles', `${twice('{% set ns.x = ns.x ~ ns.x %}')}{{ ns.x | length }}`],
    ['a text that doubles by +', twice('{% set ns.x = ns.x + ns.x %}')],
    ['a list that doubles', twice('{% set ns.l = ns.l + ns.l %}')],
    ['a list of lists, printed', `${twice('{% set ns.l = [ns.l, ns.l] %}')}{{ ns.l }}`],
    ['a list of lists, as JSON', `${twice('{% set ns.l = [ns.l, ns.l] %}')}{{ ns.l | tojson }}`],
    [
      'lists of lists, compared',
      `${twice('{% set ns.l = [ns.l, ns.l] %}')}{% set ns.m = ns.l %}{{ [ns.l] == [ns.l[:]] }}`,
    ],
    [
      'an integer that squares itself',
      `{% set ns = namespace(n=3) %}${'{% set ns.n = ns.n * ns.n %}'.repeat(40)}{{ ns.n }}`,
    ],
    ['powers of powers', '{{ ((9 ** 4000) ** 4000) ** 4000 }}'],
    [
      'macros that call each other',
      '{% macro a() %}{{ b() }}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}',
    ],
    [
      'macros that double, in depth',
      `{% macro m0() %}x{% endmacro %}${Array.from({ length: 40 }, (_, at) => `{% macro m${at + 1}() %}{{ m${at}() }}{{ m${at}() }}{% endmacro %}`).join('')}{{ m40() }}`,
    ],
    [
      'filters on a long text',
      `${twice('{% set ns.x = ns.x ~ ns.x %}', 20)}{% for i in range(100000) %}{% if ns.x | upper | lower == 1 %}{% endif %}{% endfor %}`,
    ],
    [
      'methods of a long text',
      `${twice('{% set ns.x = ns.x ~ ns.x %}', 20)}{% for i in range(100000) %}{% if ns.x.strip() == 1 %}{% endif %}{% endfor %}`,
    ],
    [
      'a search in a long text',
      `${twice('{% set ns.x = ns.x ~ ns.x %}', 20)}{% for i in range(100000) %}{% if 'c' in ns.x %}{% endif %}{% endfor %}`,
    ],
    [
      'the sum of lists',
      `{% set l = [] %}{% for i in range(2000) %}{% if (([[1] * 1000]) * 2000) | sum(start=[]) == 1 %}{% endif %}{% endfor %}`,
    ],
  ])('is ended, by name: %s', (_name, template) => {
    expect(() => fill(template)).toThrow(/^hostile\/chat_template\.jinja cannot be filled with the messages: /u);
  });

  it('is found out when its model is loaded', () => {
    const template = `${'{% for a in range(100000) %}'.repeat(3)}x{% endfor %}{% endfor %}{% endfor %}`;
    const load = (): ChatTemplate => new ChatTemplate({ template, toolTemplate: undefined, name: 'hostile' }, {});
    expect(load).toThrow(expect.objectContaining({ code: 'checkpoint-unsupported' }));
  });
});

describe('the budget of a rendering', () => {
  it('grows with what it is filled with: a chat of twenty thousand messages is rendered', () => {
    const messages: Value[] = Array.from(
      { length: 20_000 },
      (_, index) =>
        new Map<string, Value>([
          ['role', index % 2 === 0 ? 'user' : 'assistant'],
          ['content', 'How many singers are there?'],
        ]),
    );
    const line = 'How many singers are there?';
    const template =
      "{% for m in messages %}{% if m.role == 'user' and not loop.last %}{{ '<|' + m['role'] + '|>' }}{{ m.content | trim }}{% else %}{{ m.content }}{% endif %}{% endfor %}";
    expect(fill(template, { messages })).toHaveLength(10_000 * ('<|user|>'.length + 2 * line.length));
  });

  it('is of one rendering: the next has its own, and outside there is none', () => {
    expect(() => renderWithin(0, () => spend(2_000_001))).toThrow(BackendError);
    expect(renderWithin(0, () => spend(1_999_999))).toBeUndefined();
    spend(1e12);
  });
});

/** A byte-pair tokenizer of single letters with this pre-tokenizer or normalizer. */
function tokenizerWith(fields: TokenizerJson): Tokenizer {
  const json: TokenizerJson = {
    model: { type: 'BPE', vocab: { a: 0, '!': 1, b: 2 }, merges: [] },
    decoder: { type: 'ByteLevel' },
    added_tokens: [],
    post_processor: null,
    normalizer: null,
    pre_tokenizer: null,
    ...fields,
  };
  return new Tokenizer(json, {}, 'hostile');
}

describe('a tokenizer.json whose regular expression backtracks', () => {
  const pattern = { Regex: '^(a+)+$|b' };
  const hostile = `${'a'.repeat(60)}!`;

  it('is ended and refused, and others go on', () => {
    const tokenizer = tokenizerWith({
      pre_tokenizer: { type: 'Split', pattern, behavior: 'Isolated', invert: false },
    });
    expect([...tokenizer.encode('ab', false)]).toEqual([0, 2]);
    expect(() => tokenizer.encode(hostile, false)).toThrow(
      /hostile: tokenizer\.json: a text of 61 characters took longer than \d+ ms to encode/u,
    );
    expect([...tokenizer.encode('ba', false)]).toEqual([2, 0]);
  });

  it('is refused as a decoder, where no time can be watched', () => {
    expect(() => tokenizerWith({ decoder: { type: 'Replace', pattern, content: 'b' } })).toThrow(
      /a Replace decoder has a regular expression/u,
    );
  });
});

describe('runWithin', () => {
  it('hands on what the work returns and throws, also from work within work', () => {
    const late = (): never => {
      throw new Error('late');
    };
    expect(runWithin(10_000, () => runWithin(10_000, () => [1], late), late)).toEqual([1]);
    const failing = (): never => {
      throw new RangeError('own');
    };
    expect(() => runWithin(10_000, failing, late)).toThrow(RangeError);
    expect(() =>
      runWithin(
        20,
        () => {
          for (;;);
        },
        late,
      ),
    ).toThrow('late');
  });
});
