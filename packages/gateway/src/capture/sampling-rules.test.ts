import { describe, expect, it } from 'vitest';
import { parseChatRequest } from '../dialects/chat/chat-request.ts';
import { mapEngineRequest } from '../engine/engine-request.ts';
import type { JsonObject } from '../http/read-body.ts';
import {
  allowedFields,
  applySamplingRules,
  distributionFields,
  resolveSampling,
  type RuledRequest,
} from './sampling-rules.ts';

const messages = [{ role: 'user', content: 'hi' }];
const { train } = resolveSampling({ train: { temperature: 0.7 } });
const rule = (fields: JsonObject): RuledRequest =>
  applySamplingRules(parseChatRequest({ model: 'policy', messages, ...fields }), {
    sampling: train,
    structuredOutput: 'prompt',
    dropsUnknown: true,
    dropsEffort: false,
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

  it.each([
    ['use_beam_search', true],
    ['vllm_xargs', { processor: 'x' }],
    ['lora_path', '/adapters/other'],
    ['lora_request', { lora_name: 'other' }],
    ['kv_transfer_params', { do_remote_decode: true }],
    ['ignore_eos', true],
    ['length_penalty', 2],
    ['best_of', 4],
    ['echo', true],
    ['chat_template', '{{ messages }}'],
    ['prompt_embeds', 'AAAA'],
    ['prompt_logprobs', 100],
    ['return_tokens_as_token_ids', true],
    ['priority', -100],
    ['request_id', 'of another rollout'],
    ['cache_salt', 'x'],
    ['data_parallel_rank', 3],
    ['mm_processor_kwargs', { max_pixels: 1e12 }],
    ['bootstrap_host', '169.254.169.254'],
    ['session_params', { id: 'of another' }],
    ['custom_params', { a: 1 }],
    ['return_hidden_states', true],
    ['cache_prompt', false],
    ['id_slot', 3],
    ['samplers', ['top_k']],
    ['t_max_predict_ms', 1],
    ['a_field_of_next_year', 1],
  ])('loses %s, which nobody allowed, by name', (field, value) => {
    const { request, rules } = rule({ [field]: value });
    expect(request.body).not.toHaveProperty(field);
    expect(rules).toEqual([`${field}:dropped`]);
    expect(rule({ [field]: null })).toMatchObject({ rules: [] });
  });

  it('keeps every field that is allowed', () => {
    const fields = Object.fromEntries([...allowedFields].map((field) => [field, 'x']));
    const asked = { ...parseChatRequest({ model: 'policy', messages }), body: fields };
    const kept = applySamplingRules(asked, { sampling: {}, structuredOutput: 'grammar', dropsUnknown: true } as never);
    expect(new Set(Object.keys(kept.request.body))).toEqual(allowedFields);
    expect(Object.keys(distributionFields).filter((field) => allowedFields.has(field))).toEqual([]);
  });

  it('loses reasoning_effort and verbosity, by name, where an engine in this process answers', () => {
    const asked = parseChatRequest({ model: 'policy', messages, reasoning_effort: 'none', verbosity: 'low' });
    const rules = { sampling: train, structuredOutput: 'prompt', dropsUnknown: false, seed: undefined } as const;
    const toEngine = applySamplingRules(asked, { ...rules, dropsEffort: true });
    expect(toEngine.rules).toEqual(['reasoning_effort:dropped', 'verbosity:dropped']);
    expect(mapEngineRequest(toEngine.request).input).toEqual({ messages });
    expect(applySamplingRules(asked, { ...rules, dropsEffort: false }).rules).toEqual([]);
  });

  it('names no more dropped fields than an agent can fill a span with', () => {
    const fields = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`${index}${'x'.repeat(99)}`, 1]));
    const { rules } = rule(fields);
    expect([rules.length, rules[0], rules.at(-1)]).toEqual([
      65,
      `0${'x'.repeat(63)}:dropped`,
      '36 more fields:dropped',
    ]);
  });

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
