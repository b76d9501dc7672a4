import fc from 'fast-check';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { attributeNames } from '@agent-lightning/core';
import { findVariables, promptTemplate, runInRollout } from '../src/index.ts';
import { fillTemplate } from '../src/prompts/template-text.ts';
import { startRollout } from './test-rollout.ts';

const write = promptTemplate(
  'write',
  'You write SQL for {{ schema }}. At most {{rows}} rows of {{schema}}. {not} {{% this %}}',
);

describe('a prompt template', () => {
  it('renders the text of the code outside a rollout', () => {
    expect(write.variables).toEqual(['schema', 'rows']);
    expect(write.render({ schema: 'cars', rows: 3 })).toBe(
      'You write SQL for cars. At most 3 rows of cars. {not} {{% this %}}',
    );
    expect(promptTemplate('plain', 'Say hello.').render()).toBe('Say hello.');
    expectTypeOf(write.render).parameters.toEqualTypeOf<
      [Readonly<Record<'schema' | 'rows', string | number | boolean>>]
    >();
  });

  it('has those variables for the compiler that it fills in', () => {
    const text =
      '{{name|upper}} {{/each}} {{a-b}} {{1st}} {{}} {{é}} {{{inner}}} {{\n  wrapped\n}} {{ {{Nested_1}} {{not closed';
    const odd = promptTemplate('odd', text);
    expect(odd.variables).toEqual(['inner', 'wrapped', 'Nested_1']);
    expectTypeOf(odd.variables).toEqualTypeOf<readonly ('inner' | 'wrapped' | 'Nested_1')[]>();
    expect(odd.render({ inner: 1, wrapped: 2, Nested_1: 3 })).toBe(
      '{{name|upper}} {{/each}} {{a-b}} {{1st}} {{}} {{é}} {1} 2 {{ 3 {{not closed',
    );
  });

  it('may have a name that every object has', async () => {
    const { run } = await startRollout();
    for (const name of ['constructor', 'toString', 'valueOf'])
      expect(run(() => promptTemplate(name, 'Say hello.').render())).toBe('Say hello.');
  });

  it('renders the version of the rollout inside one, and says so once in its trace', async () => {
    const { scope, spans } = await startRollout();
    const template = 'SQL, {{rows}} rows: {{schema}}';
    const resources = { write: { type: 'prompt_template', template, engine: 'jinja' } } as const;
    const inside = { ...scope, resources, rollout: { ...scope.rollout, resourcesId: 'run.c1' } };
    const rendered = runInRollout(inside, () => [1, 2].map((rows) => write.render({ schema: 'cars', rows })));
    expect(rendered).toEqual(['SQL, 1 rows: cars', 'SQL, 2 rows: cars']);
    expect((await spans('object')).map(({ name, attributes }) => ({ name, attributes }))).toMatchObject([
      {
        name: 'prompt write',
        attributes: { [attributeNames.promptName]: 'write', [attributeNames.promptResources]: 'run.c1' },
      },
    ]);
  });

  it('renders the text of the code in a rollout that has no version of it', async () => {
    const { run, spans } = await startRollout();
    expect(run(() => promptTemplate('plain', 'Say hello.').render())).toBe('Say hello.');
    expect(await spans()).toEqual([]);
  });

  it('reads the notation of f-strings where a version has it', async () => {
    const { scope } = await startRollout();
    const resources = {
      write: { type: 'prompt_template', template: '{{{schema}}} {rows}', engine: 'f-string' },
    } as const;
    const rendered = runInRollout({ ...scope, resources }, () => write.render({ schema: 'cars', rows: 3 }));
    expect(rendered).toBe('{cars} 3');
  });

  it('does not take what a value holds for a variable', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (schema, rows) => {
        const given = { schema: `${schema}{{rows}}`, rows: `${rows}{{schema}}` };
        const text = promptTemplate('two', '{{schema}}|{{rows}}').render(given);
        expect(text).toBe(`${given.schema}|${given.rows}`);
      }),
    );
  });

  it('finds the variables that it fills in', () => {
    const names = fc.array(fc.stringMatching(/^[a-z_][a-z0-9_]{0,5}$/), { maxLength: 5 });
    fc.assert(
      fc.property(names, fc.array(fc.string(), { minLength: 6, maxLength: 6 }), (variables, between) => {
        const text = variables.map((name, index) => `${between[index]!.replaceAll(/[{}]/g, '')}{{${name}}}`).join('');
        expect(findVariables(text)).toEqual([...new Set(variables)]);
        const asked: string[] = [];
        fillTemplate(text, 'jinja', (name) => String(asked.push(name)));
        expect(asked).toEqual(variables);
      }),
    );
  });

  it.each([
    [{ schema: 'cars' }, /prompt "write": the value of \{\{rows\}\} must be a text/],
    [{ schema: 'cars', rows: 1, row: 2 }, /prompt "write" has no option "row"; did you mean "rows"/],
  ])('refuses the values %j', (values, message) => {
    expect(() => write.render(values as never)).toThrow(message);
  });

  it.each([
    ['a/b', 'text', /name must be letters/],
    ['a', '  ', /the text of "a" must be a text that is not empty/],
  ])('refuses the name %j with the text %j', (name, text, message) => {
    expect(() => promptTemplate(name, text)).toThrow(message);
  });

  it('refuses a resource of its name that is no prompt', async () => {
    const { scope } = await startRollout();
    const resources = { write: { type: 'json', value: 1 } } as const;
    const render = (): string => runInRollout({ ...scope, resources }, () => write.render({ schema: '', rows: 1 }));
    expect(render).toThrow(/the resource of this name must be a prompt_template; got json/);
  });
});
