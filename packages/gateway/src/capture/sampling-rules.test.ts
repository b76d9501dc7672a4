import { describe, expect, it } from 'vitest';
import { parseChatRequest } from '../dialects/chat/chat-request.ts';
import type { JsonObject } from '../http/read-body.ts';
import { applySamplingRules, distributionFields, resolveSampling, type RuledRequest } from './sampling-rules.ts';

const messages = [{ role: 'user', content: 'hi' }];
const { train } = resolveSampling({ train: { temperature: 0.7 } });
const rule = (fields: JsonObject): RuledRequest =>
  applySamplingRules(parseChatRequest({ model: 'policy', messages, ...fields }), {
    sampling: train,
    structuredOutput: 'prompt',
    seed: undefined,
  });

describe('in training, a call', () => {
  it.each(Object.entries(distributionFields))(
    'loses %s, by name, and a neutral value without a word',
    (field, neutral) => {
      const { request, rules } = rule({ [field]: field === 'logit_bias' ? { 5: 10 } : 0.5 });
      expect(request.body).not.toHaveProperty(field);
      expect(rules).toEqual([`${field}:dropped`]);
      for (const value of neutral) expect(rule({ [field]: value }).rules).toEqual([]);
    },
  );

  it('is sampled at the temperature of training, which is what it then says', () => {
    const { request, rules } = rule({ temperature: 0.2 });
    expect([request.temperature, request.body['temperature'], rules]).toEqual([0.7, 0.7, ['temperature:0.2→0.7']]);
    expect(rule({})).toMatchObject({ request: { temperature: 0.7 }, rules: [] });
  });

  it.each([
    ['regex', '[0-9]+'],
    ['json_schema', '{"type":"number"}'],
    ['ebnf', 'root ::= "a"'],
    ['grammar', 'root ::= "a"'],
  ])('is asked for the form of %s in words', (field, value) => {
    const { request, rules, grammar } = rule({ [field]: value });
    expect(request.body).not.toHaveProperty(field);
    expect(rules).toEqual([`${field}:prompt`]);
    expect(grammar).toBeUndefined();
    expect(JSON.stringify(request.body['messages'])).toContain('nothing else');
  });

  it('keeps a form that has no words, as a grammar', () => {
    expect(rule({ structural_tag: '{"type":"structural_tag"}' })).toMatchObject({
      grammar: 'structural_tag',
      rules: [],
    });
  });
});

it.each([0, 0.005, 2.5, Number.NaN, 'agent'] as const)(
  'training at temperature %s is refused, by name',
  (temperature) => {
    expect(() => resolveSampling({ train: { temperature } })).toThrow(
      `sampling.train.temperature must be a number from 0.01 to 2, not ${temperature}`,
    );
    if (temperature === 0 || temperature === 0.005 || temperature === 'agent')
      expect(resolveSampling({ val: { temperature } }).val.temperature).toBe(temperature);
  },
);
