import { attributeNames as names, type Span } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { joinCalls } from './join-calls.ts';
import { mapSpan } from './map-span.ts';

function makeSpan(spanId: string, given: Partial<Span> = {}): Span {
  const base = { rolloutId: 'r', attemptId: 'a', sequenceId: 1, traceId: 't', startTimeMs: 0, endTimeMs: 1 };
  return { ...base, spanId, kind: 'model_call', name: 'x', status: { code: 'ok' }, attributes: {}, ...given };
}

const gateway = { [names.source]: 'gateway' };
const framework = { [names.source]: 'framework' };

describe('joinCalls', () => {
  it('shows a call that both sides saw once, in the place of the framework, with what each of them knows', () => {
    const spans = [
      makeSpan('agent', { kind: 'agent' }),
      makeSpan('f', { parentSpanId: 'agent', attributes: { ...framework, [names.responseId]: 'r1', own: 'f' } }),
      makeSpan('g', { attributes: { ...gateway, [names.responseId]: 'r1', [names.policyVersion]: 4 } }),
      makeSpan('tool', { kind: 'tool_call', parentSpanId: 'f' }),
    ];
    const shown = joinCalls(spans);
    expect(shown.map(({ span, parentId }) => [span.spanId, parentId])).toEqual([
      ['agent', undefined],
      ['g', 'agent'],
      ['tool', 'g'],
    ]);
    expect(shown[1]!.span.attributes).toMatchObject({ ...gateway, own: 'f', [names.policyVersion]: 4 });
  });

  it('joins by the parent where the framework has no response id, and keeps what one side alone saw', () => {
    const spans = [
      makeSpan('f1', { attributes: framework }),
      makeSpan('g1', { parentSpanId: 'f1', attributes: { ...gateway, [names.responseId]: 'r1' } }),
      makeSpan('f2', { attributes: framework }),
      makeSpan('g2', { attributes: { ...gateway, [names.responseId]: 'r2' } }),
    ];
    expect(joinCalls(spans).map(({ span, parentId }) => [span.spanId, parentId])).toEqual([
      ['g1', undefined],
      ['f2', undefined],
      ['g2', undefined],
    ]);
  });
});

describe('mapSpan', () => {
  const messages = [
    { role: 'user', content: [{ type: 'text', text: 'hello' }] },
    {
      role: 'assistant',
      content: null,
      tool_calls: [
        { id: 'c1', function: { name: 'find', arguments: '{"id":2512292042121000001}' } },
        { id: 'c2', function: { name: 'find', arguments: '{"id":7}' } },
      ],
    },
    { role: 'tool', tool_call_id: 'c1', content: 'found' },
  ];
  const call = makeSpan('c', {
    attributes: {
      ...framework,
      [names.agentNames]: ['writer', 'LangGraph'],
      [names.requestModel]: 'gpt',
      [names.requestStream]: true,
      [names.timeToFirstTokenMs]: 250,
      [names.upstream]: 'https://models.example/v1',
      [names.inputMessages]: JSON.stringify(messages),
      [names.untrainable]: 'failed: a text',
      'my.note': 'a text',
    },
  });

  it('has names, counts and codes, and no text', () => {
    expect(mapSpan(call, false)).toEqual({
      name: 'chat gpt',
      isClient: true,
      error: undefined,
      attributes: {
        [names.operationName]: 'chat',
        [names.providerName]: 'unknown',
        [names.requestModel]: 'gpt',
        [names.requestStream]: true,
        [names.source]: 'framework',
        [names.agentName]: 'writer',
        [names.agentNames]: ['writer', 'LangGraph'],
        'gen_ai.response.time_to_first_chunk': 0.25,
        'server.address': 'models.example',
        'server.port': 443,
      },
    });
  });

  it('has messages in the form of the conventions where texts are asked for, with long numbers as they were written', () => {
    const { attributes } = mapSpan(call, true);
    expect(JSON.parse(attributes[names.inputMessages] as string)).toEqual([
      { role: 'user', parts: [{ type: 'text', content: 'hello' }] },
      {
        role: 'assistant',
        parts: [
          { type: 'tool_call', id: 'c1', name: 'find', arguments: '{"id":2512292042121000001}' },
          { type: 'tool_call', id: 'c2', name: 'find', arguments: { id: 7 } },
        ],
      },
      { role: 'tool', parts: [{ type: 'tool_call_response', id: 'c1', response: 'found' }] },
    ]);
    expect(attributes['my.note']).toBe('a text');
  });

  it('never has the token ids of a prompt', () => {
    const prompt = JSON.stringify([{ role: 'user', content: '[1,22,333]' }]);
    const given = { [names.operationName]: 'text_completion', [names.inputMessages]: prompt };
    const { attributes } = mapSpan(makeSpan('p', { attributes: given }), true);
    expect(JSON.stringify(attributes)).not.toContain('333');
  });

  it('has a text that is a list of numbers, where it is no prompt of token ids', () => {
    const chat = JSON.stringify([{ role: 'assistant', content: '[1, 2, 3]' }]);
    for (const name of [names.inputMessages, names.outputMessages]) {
      const { attributes } = mapSpan(makeSpan('p', { attributes: { [name]: chat } }), true);
      expect(attributes[name]).toContain('[1, 2, 3]');
    }
  });

  it('says of a tool that failed that it did, and what it said only as text', () => {
    const tool = makeSpan('t', {
      kind: 'tool_call',
      name: 'find',
      status: { code: 'error', message: 'no such patient' },
      attributes: { [names.toolName]: 'find', [names.toolResult]: 'no such patient' },
    });
    expect(mapSpan(tool, false)).toEqual({
      name: 'execute_tool find',
      isClient: false,
      error: { message: undefined },
      attributes: { [names.operationName]: 'execute_tool', [names.toolName]: 'find', [names.errorType]: '_OTHER' },
    });
    expect(mapSpan(tool, true).error).toEqual({ message: 'no such patient' });
  });
});
