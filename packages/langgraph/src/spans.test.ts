import { attributeNames } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { answerOf, isBesideAgent, nodePath, placeNames, readPlace } from './spans.ts';

describe('placeNames', () => {
  it.each([
    [{}, []],
    [{ langgraph_node: 'planner', langgraph_checkpoint_ns: 'planner:0c3e-1' }, ['planner']],
    [
      { langgraph_node: 'critic', langgraph_checkpoint_ns: 'reviewer:0c3e-1|critic:9f-2' },
      ['critic', 'reviewer/critic'],
    ],
    [
      {
        langgraph_node: 'model_request',
        langgraph_checkpoint_ns: 'finish:0c|model_request:9f',
        lc_agent_name: 'helper',
      },
      ['helper', 'model_request', 'finish/model_request', 'finish'],
    ],
    [{ lc_agent_name: 'helper' }, ['helper']],
    [{ langgraph_node: 7, langgraph_checkpoint_ns: '' }, []],
  ])('of %j are %j', (metadata, names) => {
    expect(placeNames(readPlace(metadata))).toEqual(names);
  });

  it('are none without metadata', () => {
    expect(placeNames(readPlace(undefined))).toEqual([]);
  });

  it.each([
    ['agent', 'agent:1', 'math_expert', ['math_expert', 'agent']],
    ['agent', 'expert:1|agent:2', 'math_expert', ['math_expert', 'agent', 'expert/agent', 'expert']],
    ['agent', 'expert:1|agent:2', undefined, ['expert', 'agent', 'expert/agent']],
    ['agent', 'agent:1', undefined, ['agent']],
    ['write', 'flow:1|write:2', 'sql', ['write', 'flow/write', 'sql']],
  ])('of the node %s at %s in the graph %s are %j', (node, execution, graph, names) => {
    const metadata = { langgraph_node: node, langgraph_checkpoint_ns: execution };
    expect(placeNames(readPlace(metadata, graph))).toEqual(names);
  });
});

describe('what runs beside an agent', () => {
  it.each([
    [
      { langgraph_node: 'X.before_model', langgraph_checkpoint_ns: 'a:1|X.before_model:2' },
      ['X.before_model', 'a/X.before_model'],
    ],
    [{ langgraph_node: 'pre_model_hook', langgraph_checkpoint_ns: 'pre_model_hook:2' }, ['pre_model_hook']],
    [{ langgraph_node: 'tools', langgraph_checkpoint_ns: 'tools:1', lc_source: 'toolEmulation' }, ['toolEmulation']],
  ])('goes by its own names alone: %j', (metadata, names) => {
    const place = readPlace({ ...metadata, lc_agent_name: 'helper' });
    expect([isBesideAgent(place), placeNames(place)]).toEqual([true, names]);
  });
});

describe('the id of a response', () => {
  const idOf = (message: object): unknown =>
    answerOf({ generations: [[{ text: '', message }]] } as never, undefined).attributes?.[attributeNames.responseId];

  it('is the server’s, of any dialect, and none that LangChain or an item has', () => {
    expect(idOf({ id: 'chatcmpl-1', response_metadata: {} })).toBe('chatcmpl-1');
    expect(idOf({ id: 'msg_1', response_metadata: { id: 'resp_1', model_provider: 'openai' } })).toBe('resp_1');
    expect(idOf({ id: 'msg_1', response_metadata: { model_provider: 'openai' } })).toBeUndefined();
    expect(idOf({ id: 'msg_1', response_metadata: { model_provider: 'anthropic' } })).toBe('msg_1');
    expect(idOf({ id: 'run-1', response_metadata: { model_provider: 'anthropic' } })).toBeUndefined();
  });
});

describe('nodePath', () => {
  it('takes away task ids, and only those', () => {
    expect(nodePath('flow:1-2|sql: write:3-4|plain')).toBe('flow/sql: write/plain');
  });

  it('is the same for the second graph of a node, and for a node that is run again', () => {
    expect(nodePath('flow:1-2|1|write:3-4')).toBe('flow/write');
    expect(nodePath('flow:1-2|12|1:3-4')).toBe('flow/1');
  });
});
