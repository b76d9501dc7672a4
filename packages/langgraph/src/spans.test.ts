import { describe, expect, it } from 'vitest';
import { nodePath, placeNames, readPlace } from './spans.ts';

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
      ['model_request', 'finish/model_request', 'helper'],
    ],
    [{ lc_agent_name: 'helper' }, ['helper']],
    [{ langgraph_node: 7, langgraph_checkpoint_ns: '' }, []],
  ])('of %j are %j', (metadata, names) => {
    expect(placeNames(readPlace(metadata))).toEqual(names);
  });

  it('are none without metadata', () => {
    expect(placeNames(readPlace(undefined))).toEqual([]);
  });
});

describe('nodePath', () => {
  it('takes away task ids, and only those', () => {
    expect(nodePath('flow:1-2|sql: write:3-4|plain')).toBe('flow/sql: write/plain');
  });

  it('is the same for each subgraph that one node calls, which LangGraph counts', () => {
    const calls = ['flow:1-2|write:3-4', 'flow:1-2|1|write:3-4', 'flow:1-2|12|write:3-4'];
    expect(calls.map(nodePath)).toEqual(Array(3).fill('flow/write'));
  });
});
