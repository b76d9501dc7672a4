import { describe, expect, it } from 'vitest';
import { rolloutOf } from '../../test/__fixtures__/episodes.ts';
import { brokenStatus, TraceBuilder, type SpanShape } from '../../test/__fixtures__/spans.ts';
import { attributeNames } from '../vocabulary/attributes.ts';
import { toEpisode } from './to-episode.ts';
import { toMessages } from './to-messages.ts';

const waited = { status: { code: 'unset' } } as const;
const failed = { status: brokenStatus } as const;

/** Adds the span of an execution, which ends after what is in it. */
function execution(trace: TraceBuilder, spanId: string, key: string, shape: SpanShape = {}): void {
  const name = key.split(':')[0]!;
  trace.agent(spanId, [name], { name, ...shape, attributes: { [attributeNames.execution]: key } });
}

function outcome(trace: TraceBuilder): {
  readonly trained: readonly string[];
  readonly reasons: Readonly<Record<string, string>>;
} {
  const { transitions, untrainable } = toEpisode(rolloutOf('rollout'), trace.spans.toReversed());
  return {
    trained: transitions.map(({ spanId }) => spanId),
    reasons: Object.fromEntries(untrainable.map(({ spanId, reason }) => [spanId, reason])),
  };
}

describe('an answer that the agent threw away', () => {
  it('is that of a node which failed and was run again, and is named', () => {
    const trace = new TraceBuilder();
    trace.call('first', { parentSpanId: 'run 1' });
    execution(trace, 'run 1', 'write:1', { parentSpanId: 'graph', ...failed });
    trace.call('second', { parentSpanId: 'run 2' });
    execution(trace, 'run 2', 'write:1', { parentSpanId: 'graph', ...failed });
    trace.call('third', { parentSpanId: 'run 3' });
    execution(trace, 'run 3', 'write:1', { parentSpanId: 'graph' });
    trace.agent('graph', ['graph']);
    const reason = 'the agent threw the answer away: "write" failed and was run again from its start';
    expect(outcome(trace)).toEqual({ trained: ['third'], reasons: { first: reason, second: reason } });
  });

  it('is that of a node which waited and was run again, also where only the framework’s span tells its place', () => {
    const trace = new TraceBuilder();
    trace.call('first', { responseId: 'r1' });
    trace.reported('reported', { responseId: 'r1', parentSpanId: 'run 1' });
    execution(trace, 'run 1', 'ask:1', { parentSpanId: 'graph 1', ...waited });
    trace.call('second', { parentSpanId: 'run 2' });
    execution(trace, 'run 2', 'ask:1', { parentSpanId: 'graph 2' });
    expect(outcome(trace)).toEqual({
      trained: ['second'],
      reasons: { first: expect.stringContaining('"ask" waited and was run again') },
    });
  });

  it('is none of a node that succeeded, that failed for good, or that another execution follows', () => {
    const trace = new TraceBuilder();
    trace.call('looped', { parentSpanId: 'run 1' });
    execution(trace, 'run 1', 'write:1');
    trace.call('again', { parentSpanId: 'run 2' });
    execution(trace, 'run 2', 'write:1');
    trace.call('other', { parentSpanId: 'run 3' });
    execution(trace, 'run 3', 'write:2', failed);
    trace.call('next', { parentSpanId: 'run 4' });
    execution(trace, 'run 4', 'write:3', waited);
    expect(outcome(trace)).toEqual({ trained: ['looped', 'again', 'other', 'next'], reasons: {} });
  });

  it('is every one inside a node that was run again in its place, below agents and tools too', () => {
    const trace = new TraceBuilder();
    trace.call('inner', { parentSpanId: 'sub 1' });
    execution(trace, 'sub 1', 'sub:1', { parentSpanId: 'run 1' });
    trace.call('of a tool', { parentSpanId: 'tool' });
    trace.tool('tool', 'lookup', { parentSpanId: 'helper' });
    trace.agent('helper', ['helper'], { parentSpanId: 'run 1' });
    execution(trace, 'run 1', 'write:1', { parentSpanId: 'graph', ...failed });
    trace.call('kept', { parentSpanId: 'sub 2' });
    execution(trace, 'sub 2', 'sub:2', { parentSpanId: 'run 2' });
    execution(trace, 'run 2', 'write:1', { parentSpanId: 'graph' });
    trace.agent('graph', ['graph']);
    const { trained, reasons } = outcome(trace);
    expect(trained).toEqual(['kept']);
    expect(Object.keys(reasons).toSorted()).toEqual(['inner', 'of a tool']);
  });

  it('is of a resumed node its own, and those of the graph inside it only where that began anew', () => {
    const resumed = (later: (trace: TraceBuilder) => void): readonly string[] => {
      const trace = new TraceBuilder();
      trace.call('own', { parentSpanId: 'run 1' });
      trace.call('done', { parentSpanId: 'plan 1' });
      execution(trace, 'plan 1', 'plan:1', { parentSpanId: 'run 1' });
      execution(trace, 'check 1', 'check:1', { parentSpanId: 'run 1', ...waited });
      execution(trace, 'run 1', 'write:1', { parentSpanId: 'graph 1', ...waited });
      later(trace);
      execution(trace, 'run 2', 'write:1', { parentSpanId: 'graph 2' });
      return outcome(trace).trained;
    };
    expect(resumed((trace) => execution(trace, 'check 2', 'check:1', { parentSpanId: 'run 2' }))).toEqual(['done']);
    expect(resumed(() => undefined)).toEqual(['done']);
    const anew = (trace: TraceBuilder): void => {
      trace.call('asked again', { parentSpanId: 'plan 2' });
      execution(trace, 'plan 2', 'plan:2', { parentSpanId: 'run 2' });
    };
    expect(resumed(anew)).toEqual(['asked again']);
    const both = (trace: TraceBuilder): void => {
      trace.call('asked again', { parentSpanId: 'plan 2' });
      execution(trace, 'plan 2', 'plan:1', { parentSpanId: 'run 2' });
      execution(trace, 'check 2', 'check:1', { parentSpanId: 'run 2' });
    };
    expect(resumed(both)).toEqual(['asked again']);
  });

  it('is of attempts at the same thing all but the last, and each with the node around it', () => {
    const trace = new TraceBuilder();
    const attempt = (spanId: string, parentSpanId: string, shape: SpanShape = {}): string =>
      trace.add(spanId, 'operation', {
        name: 'attempt',
        parentSpanId,
        ...shape,
        attributes: { [attributeNames.execution]: parentSpanId },
      });
    trace.call('a', { parentSpanId: 'attempt 1' });
    attempt('attempt 1', 'run 1', failed);
    trace.call('b', { parentSpanId: 'attempt 2' });
    attempt('attempt 2', 'run 1');
    execution(trace, 'run 1', 'write:1', { parentSpanId: 'graph 1', ...waited });
    trace.call('c', { parentSpanId: 'attempt 3' });
    attempt('attempt 3', 'run 2');
    execution(trace, 'run 2', 'write:1', { parentSpanId: 'graph 2' });
    const { trained, reasons } = outcome(trace);
    expect(trained).toEqual(['c']);
    expect(reasons).toEqual({
      a: expect.stringContaining('an attempt failed'),
      b: expect.stringContaining('"write" waited'),
    });
  });

  it('is no conversation to imitate, and keeps a reward of its own for the rollout', () => {
    const trace = new TraceBuilder();
    execution(trace, 'run 0', 'write:1', { parentSpanId: 'graph', ...failed });
    const messages = {
      [attributeNames.inputMessages]: '[{"role":"user","content":"q"}]',
      [attributeNames.outputMessages]: '[{"role":"assistant","content":"a"}]',
    };
    trace.call('first', { parentSpanId: 'run 1', attributes: messages });
    execution(trace, 'run 1', 'write:1', { parentSpanId: 'graph', ...failed });
    trace.call('second', { parentSpanId: 'run 2', attributes: messages });
    execution(trace, 'run 2', 'write:1', { parentSpanId: 'graph' });
    trace.reward('reward', -1, { [attributeNames.rewardScope]: 'span', [attributeNames.rewardTarget]: 'first' });
    trace.call('broken too', { response: [], parentSpanId: 'run 0' });
    const { discarded } = toEpisode(rolloutOf('rollout'), trace.spans);
    expect(discarded).toMatchObject([{ spanId: 'first', callIndex: 1, reward: undefined }]);
    expect(toMessages(trace.spans).conversations.map(({ spanId }) => spanId)).toEqual(['second']);
    expect(toEpisode(rolloutOf('rollout'), trace.spans).untrainedReward).toBe(-1);
  });
});
