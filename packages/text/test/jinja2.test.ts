import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { JinjaTemplate } from '../src/jinja-template.ts';
import { readJson } from '../src/jinja/read-json.ts';
import type { Value } from '../src/jinja/values.ts';

/** Written by tools/reference/make_jinja_fixture.py with Jinja2. */
interface Fixture {
  readonly now: string;
  readonly cases: readonly { readonly template: string; readonly text?: string; readonly fails?: true }[];
}

const source = readFileSync(new URL('__fixtures__/jinja.json', import.meta.url), 'utf8');
const { now, cases } = JSON.parse(source) as Fixture;
const variables = (readJson(source) as Map<string, Value>).get('variables') as Map<string, Value>;
const render = (template: string): string => new JinjaTemplate(template, 't', () => new Date(now)).render(variables);

describe('a template', () => {
  it.each(cases.filter(({ fails }) => fails !== true))(
    'becomes what Jinja2 makes of it: $template',
    ({ template, text }) => {
      expect(render(template)).toBe(text);
    },
  );

  it.each(cases.filter(({ fails }) => fails === true))('fails where Jinja2 does: $template', ({ template }) => {
    expect(() => render(template)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^(samples-invalid|checkpoint-(corrupt|unsupported))$/) }),
    );
  });
});
