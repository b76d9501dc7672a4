import { describe, expect, it } from 'vitest';
import { brokenStatus, TraceBuilder } from '../../test/__fixtures__/spans.ts';
import { attributeNames } from '../vocabulary/attributes.ts';
import { toMessages } from './to-messages.ts';

const input = [{ role: 'user', content: [{ type: 'text', text: 'How many?' }] }];
const answer = {
  role: 'assistant',
  content: null,
  tool_calls: [{ id: 'call-1', type: 'function', function: { name: 'sql', arguments: '{}' } }],
};
const spoken = {
  [attributeNames.inputMessages]: JSON.stringify(input),
  [attributeNames.outputMessages]: JSON.stringify([answer]),
};

describe('toMessages', () => {
  it('gives the messages of the request and the answer, unchanged', () => {
    const tools = [{ type: 'function', function: { name: 'sql' } }];
    const trace = new TraceBuilder();
    trace.call('a', {
      attributes: {
        ...spoken,
        [attributeNames.toolDefinitions]: JSON.stringify(tools),
        [attributeNames.agentNames]: ['write'],
      },
    });
    trace.call('b', { attributes: spoken });
    expect(toMessages(trace.spans)).toEqual({
      problems: [],
      conversations: [
        {
          rolloutId: 'rollout',
          attemptId: 'attempt',
          spanId: 'a',
          sequenceId: 1,
          agentNames: ['write'],
          messages: [...input, answer],
          tools,
        },
        {
          rolloutId: 'rollout',
          attemptId: 'attempt',
          spanId: 'b',
          sequenceId: 2,
          agentNames: [],
          messages: [...input, answer],
          tools: null,
        },
      ],
    });
  });

  it('gives each choice of a call the prompt that its first one holds, and keeps what a choice has of its own', () => {
    const tools = [{ type: 'function', function: { name: 'sql' } }];
    const trace = new TraceBuilder();
    const shape = { responseId: 'one' };
    trace.call('a', {
      ...shape,
      prompt: [7, 8],
      attributes: { ...spoken, [attributeNames.toolDefinitions]: JSON.stringify(tools) },
    });
    const second = { role: 'assistant', content: 'another' };
    const other = { [attributeNames.promptSpan]: 'a', [attributeNames.choiceIndex]: 1 };
    trace.call('b', {
      ...shape,
      prompt: [],
      attributes: { ...other, [attributeNames.outputMessages]: JSON.stringify([second]) },
    });
    expect(toMessages(trace.spans).conversations).toMatchObject([
      { spanId: 'a', messages: [...input, answer], tools },
      { spanId: 'b', messages: [...input, second], tools },
    ]);
    // Read without the first span, the second says that its messages are lacking.
    expect(toMessages(trace.spans.slice(1))).toEqual({
      conversations: [],
      problems: [{ spanId: 'b', reason: 'the call has no readable input messages' }],
    });
  });

  it('reads a call of another model that only the framework reported', () => {
    const trace = new TraceBuilder();
    trace.reported('checker', { attributes: spoken });
    expect(toMessages(trace.spans).conversations).toMatchObject([{ spanId: 'checker' }]);
  });

  it('gives one conversation for each answer of a call', () => {
    const trace = new TraceBuilder();
    trace.call('a', {
      attributes: {
        ...spoken,
        [attributeNames.outputMessages]: JSON.stringify([answer, { role: 'assistant', content: '3' }]),
      },
    });
    expect(toMessages(trace.spans).conversations.map(({ messages }) => messages.at(-1)?.content)).toEqual([null, '3']);
  });

  it('reads several attempts at once and joins nothing across them', () => {
    const [one, two] = [new TraceBuilder('r1', 'a1'), new TraceBuilder('r2', 'a2')];
    one.call('a', { attributes: spoken, responseId: 'same' });
    two.call('a', { attributes: spoken, responseId: 'same' });
    expect(toMessages([...two.spans, ...one.spans]).conversations.map(({ rolloutId }) => rolloutId)).toEqual([
      'r2',
      'r1',
    ]);
  });

  it('selects agents', () => {
    const trace = new TraceBuilder();
    trace.call('a', { attributes: { ...spoken, [attributeNames.agentNames]: ['write'] } });
    trace.call('b', { attributes: { ...spoken, [attributeNames.agentNames]: ['check'] } });
    expect(toMessages(trace.spans, { agentMatch: /check/ }).conversations.map(({ spanId }) => spanId)).toEqual(['b']);
    expect(() => toMessages(trace.spans, { agentMatch: 'a|b' })).toThrow(/write the regular expression/);
  });

  it('leaves out a response that the agent never used', () => {
    const trace = new TraceBuilder();
    trace.call('lost', { responseId: 'r1', parentSpanId: 'reported', attributes: spoken });
    trace.call('kept', { responseId: 'r2', parentSpanId: 'reported', attributes: spoken });
    trace.reported('reported', { responseId: 'r2' });
    expect(toMessages(trace.spans).conversations.map(({ spanId }) => spanId)).toEqual(['kept']);
  });

  it('leaves failed calls out, and names those whose messages it cannot read', () => {
    const trace = new TraceBuilder();
    trace.call('failed', { status: brokenStatus });
    trace.call('silent');
    trace.call('broken', { attributes: { ...spoken, [attributeNames.inputMessages]: '[{"role"' } });
    trace.call('odd', { attributes: { ...spoken, [attributeNames.outputMessages]: '[3]' } });
    const { conversations, problems } = toMessages(trace.spans);
    expect(conversations).toEqual([]);
    expect(problems.map(({ spanId, reason }) => [spanId, reason])).toEqual([
      ['silent', 'the call has no readable input messages'],
      ['broken', 'the call has no readable input messages'],
      ['odd', 'the call has no readable output messages'],
    ]);
  });
});
