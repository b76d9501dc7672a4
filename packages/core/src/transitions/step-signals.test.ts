import { describe, expect, it } from 'vitest';
import { rolloutOf } from '../../test/__fixtures__/episodes.ts';
import { brokenStatus, TraceBuilder } from '../../test/__fixtures__/spans.ts';
import { attributeNames } from '../vocabulary/attributes.ts';
import { toEpisode } from './to-episode.ts';

/** Lists the signals of each call, as `type name`. */
function signalsOf(trace: TraceBuilder): Record<string, string[]> {
  const { transitions } = toEpisode(rolloutOf('rollout'), trace.spans);
  return Object.fromEntries(
    transitions.map(({ spanId, signals }) => [spanId, signals.map(({ type, name }) => `${type} ${name}`)]),
  );
}

describe('the signals of a transition', () => {
  it('are the outcomes of the tools that followed it', () => {
    const trace = new TraceBuilder();
    trace.call('a');
    trace.tool('t1', 'sql');
    trace.call('b');
    trace.tool('t2', 'sql', { failed: true });
    trace.tool('t3', 'paused', { status: { code: 'unset' } });
    expect(signalsOf(trace)).toEqual({ a: ['tool_ok sql'], b: ['tool_error sql'] });
  });

  it('belong to the call that asked for the tool, where its answer says so', () => {
    const trace = new TraceBuilder();
    const asking = (id: string): { attributes: Record<string, string> } => ({
      attributes: { [attributeNames.outputMessages]: JSON.stringify([{ role: 'assistant', tool_calls: [{ id }] }]) },
    });
    trace.call('a', asking('call-1'));
    trace.call('b', asking('call-2'));
    trace.tool('t1', 'sql', { failed: true, attributes: { [attributeNames.toolCallId]: 'call-1' } });
    trace.tool('t2', 'sql', { attributes: { [attributeNames.toolCallId]: 'call-2' } });
    expect(signalsOf(trace)).toEqual({ a: ['tool_error sql'], b: ['tool_ok sql'] });
  });

  it('belong to the sub-agent’s own calls first', () => {
    const trace = new TraceBuilder();
    trace.agent('one', ['one']);
    trace.agent('two', ['two']);
    trace.call('a', { parentSpanId: 'one' });
    trace.call('b', { parentSpanId: 'two' });
    trace.tool('t', 'sql', { failed: true, parentSpanId: 'one' });
    trace.tool('outside', 'sql');
    expect(signalsOf(trace)).toEqual({ a: ['tool_error sql'], b: ['tool_ok sql'] });
  });

  it('follow the order of the framework’s spans, where calls are reported twice', () => {
    const trace = new TraceBuilder();
    trace.reported('reported', { responseId: 'r1' });
    trace.tool('t', 'sql', { failed: true });
    trace.call('a', { responseId: 'r1' }); // the gateway writes on its own, and was late
    expect(signalsOf(trace)).toEqual({ a: ['tool_error sql'] });
  });

  it('tell exceptions and parse failures apart', () => {
    const trace = new TraceBuilder();
    trace.call('a');
    trace.add('e1', 'exception', { attributes: { [attributeNames.exceptionType]: 'TypeError' } });
    trace.add('e2', 'exception', { attributes: { [attributeNames.exceptionType]: 'OutputParserException' } });
    trace.add('o1', 'operation', {
      status: brokenStatus,
      attributes: { [attributeNames.operationLabel]: 'parseAnswer' },
    });
    trace.add('o2', 'operation', {
      status: brokenStatus,
      attributes: { [attributeNames.operationLabel]: 'sparse lookup' },
    });
    trace.add('o3', 'operation', {
      status: brokenStatus,
      attributes: { [attributeNames.errorType]: 'SyntaxError', [attributeNames.operationLabel]: 'read' },
    });
    trace.add('fine', 'operation', { attributes: { [attributeNames.operationLabel]: 'parse' } });
    expect(signalsOf(trace)).toEqual({
      a: [
        'exception TypeError',
        'parse_failure OutputParserException',
        'parse_failure parseAnswer',
        'exception sparse lookup',
        'parse_failure SyntaxError',
      ],
    });
  });

  it('count an error once: the innermost, and not inside a tool that failed of it', () => {
    const trace = new TraceBuilder();
    trace.call('a');
    trace.agent('node', ['node'], { status: brokenStatus });
    trace.add('operation', 'operation', { parentSpanId: 'node', status: brokenStatus });
    trace.add('exception', 'exception', {
      parentSpanId: 'operation',
      attributes: { [attributeNames.exceptionType]: 'Error' },
    });
    trace.tool('tool', 'sql', { failed: true });
    trace.add('cause', 'exception', {
      parentSpanId: 'tool',
      attributes: { [attributeNames.exceptionType]: 'SqliteError' },
    });
    expect(signalsOf(trace)).toEqual({ a: ['exception Error', 'tool_error sql'] });
  });

  it('count an error once that the agent emits again, and a tool each time that it fails', () => {
    const trace = new TraceBuilder();
    const emitted = {
      [attributeNames.exceptionType]: 'SyntaxError',
      [attributeNames.exceptionMessage]: 'unexpected end',
    };
    trace.call('a');
    trace.add('operation', 'operation', {
      status: { code: 'error', message: 'unexpected end' },
      attributes: { [attributeNames.errorType]: 'SyntaxError' },
    });
    trace.add('emitted', 'exception', { attributes: emitted });
    trace.tool('t1', 'sql', { failed: true });
    trace.tool('t2', 'sql', { failed: true });
    trace.call('b');
    trace.add('another', 'exception', { attributes: emitted });
    expect(signalsOf(trace)).toEqual({
      a: ['parse_failure SyntaxError', 'tool_error sql', 'tool_error sql'],
      b: ['parse_failure SyntaxError'],
    });
  });

  it('do not blame the agent for a model call that failed', () => {
    const trace = new TraceBuilder();
    trace.call('a');
    trace.agent('node', ['node'], { status: brokenStatus });
    trace.reported('down', { parentSpanId: 'node', status: brokenStatus });
    expect(signalsOf(trace)).toEqual({ a: [] });
  });

  it('include its own length stop', () => {
    const trace = new TraceBuilder();
    trace.call('a', {
      attributes: { [attributeNames.finishReasons]: ['length'], [attributeNames.agentNames]: ['write'] },
    });
    expect(signalsOf(trace)).toEqual({ a: ['length_stop write'] });
  });

  it('belong to the call that they hang below, whatever was called meanwhile', () => {
    const trace = new TraceBuilder();
    trace.call('a');
    trace.call('b');
    trace.add('e', 'exception', { parentSpanId: 'a', attributes: { [attributeNames.exceptionType]: 'Error' } });
    expect(signalsOf(trace)).toEqual({ a: ['exception Error'], b: [] });
  });

  it('pass over a response that the agent never used', () => {
    const trace = new TraceBuilder();
    trace.call('a');
    trace.call('late', { responseId: 'r1', parentSpanId: 'reported' });
    trace.reported('reported', { status: brokenStatus });
    trace.tool('t', 'sql');
    expect(signalsOf(trace)).toEqual({ a: ['tool_ok sql'] });
  });

  it('belong to nobody where an untrained call caused them', () => {
    const trace = new TraceBuilder();
    trace.tool('before', 'sql');
    trace.call('a');
    trace.reported('checker', { responseId: 'r9' });
    trace.tool('t', 'sql', { failed: true });
    expect(signalsOf(trace)).toEqual({ a: [] });
  });

  it('survive an answer that is not JSON', () => {
    const trace = new TraceBuilder();
    trace.call('a', { attributes: { [attributeNames.outputMessages]: '{"tool_calls": ' } });
    trace.tool('t', 'sql', { attributes: { [attributeNames.toolCallId]: 'call-1' } });
    expect(signalsOf(trace)).toEqual({ a: ['tool_ok sql'] });
  });
});
