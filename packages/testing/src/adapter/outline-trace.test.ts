import { agentSpan, modelCallSpan, toolSpan } from '@agent-lightning/tracing';
import type { SpanInput } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { agentAround, outlineTrace } from './outline-trace.ts';

let clock = 0;

function span(spanId: string, parentSpanId: string | undefined, start: ReturnType<typeof agentSpan>): SpanInput {
  const times = { startTimeMs: ++clock, endTimeMs: clock };
  const { attributes = {}, ...rest } = start;
  const parent = parentSpanId === undefined ? {} : { parentSpanId };
  return { spanId, traceId: 't', status: { code: 'ok' }, ...times, ...parent, ...rest, attributes };
}

const options = { agents: ['writer'], layers: ['graph'] };
const lookup = (key: string) => toolSpan({ name: 'lookup', arguments: { key } });

describe('outlineTrace', () => {
  it('lifts out declared layers, and no other agent', () => {
    const spans = [
      span('a', undefined, agentSpan('graph', ['graph'])),
      span('b', 'a', agentSpan('stranger', ['stranger'])),
      span('c', 'b', agentSpan('writer', ['writer'])),
    ];
    expect(outlineTrace(spans, options)).toEqual(['agent stranger', '  agent writer']);
    expect(agentAround(spans, 'c', ['writer'])).toBe('writer');
    expect(agentAround(spans, 'b', ['writer'])).toBeUndefined();
  });

  it('orders tool calls that begin together by their arguments, and all else by its beginning', () => {
    const spans = [
      span('m1', undefined, modelCallSpan({ names: ['writer'] })),
      span('t2', undefined, lookup('k2')),
      span('t1', undefined, lookup('k1')),
      span('m2', undefined, modelCallSpan({ names: ['writer'] })),
      span('t0', undefined, lookup('k0')),
    ];
    expect(outlineTrace(spans.toReversed(), options)).toEqual(
      [
        'model_call',
        'tool_call lookup {"key":"k1"} →',
        'tool_call lookup {"key":"k2"} →',
        'model_call',
        'tool_call lookup {"key":"k0"} →',
      ].map((line) => line.replace(/→$/, '→ ')),
    );
  });

  it('shows errors, and spans whose parent never ended', () => {
    const failed: SpanInput = { ...span('a', 'gone', lookup('k1')), status: { code: 'error' } };
    expect(outlineTrace([failed], options)).toEqual(['tool_call lookup {"key":"k1"} ! error']);
    const beside = span('b', undefined, agentSpan('writer', ['writer']));
    expect(outlineTrace([failed, beside], options)[0]).toBe('agent writer');
  });
});
