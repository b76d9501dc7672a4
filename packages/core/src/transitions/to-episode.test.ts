import { describe, expect, it } from 'vitest';
import { rolloutOf } from '../../test/__fixtures__/episodes.ts';
import { brokenStatus, scopeOf, TraceBuilder } from '../../test/__fixtures__/spans.ts';
import { attributeNames } from '../vocabulary/attributes.ts';
import type { Attributes } from '../vocabulary/span.ts';
import { toMessages } from './to-messages.ts';
import { toEpisode, type ToEpisodeOptions } from './to-episode.ts';
import type { Episode } from './transition.ts';

function episodeOf(trace: TraceBuilder, options?: ToEpisodeOptions): Episode {
  return toEpisode(rolloutOf('rollout'), trace.spans.toReversed(), options);
}

const called = (episode: Episode): string[] => episode.transitions.map(({ spanId }) => spanId);
const names = (...agentNames: string[]): { attributes: Record<string, readonly string[]> } => ({
  attributes: { [attributeNames.agentNames]: agentNames },
});

describe('the failure of a rollout', () => {
  const failed = (code: string, trace: TraceBuilder, options?: ToEpisodeOptions): Episode =>
    toEpisode(rolloutOf('rollout', { status: 'failed', failure: { code, message: '' } }), trace.spans, options);

  it('has a kind, by its code and by what the user knows', () => {
    const trace = new TraceBuilder();
    trace.call('a');
    expect(episodeOf(trace).failureKind).toBeUndefined();
    expect(failed('GraphRecursionError', trace).failureKind).toBe('policy');
    expect(failed('agent-failed', trace).failureKind).toBe('unknown');
    expect(failed('PaymentError', trace, { failures: { PaymentError: 'world' } }).failureKind).toBe('world');
    expect(toEpisode(rolloutOf('rollout', { status: 'cancelled' }), trace.spans).failureKind).toBe('world');
  });

  it('is the world’s where no attempt was made, as when no runner claimed the rollout in its queue time', () => {
    const failure = { code: 'timed-out', message: 'not claimed' };
    const kindAfter = (attemptCount: number) =>
      toEpisode(rolloutOf('rollout', { status: 'failed', failure, attemptCount }), []).failureKind;
    expect([0, 1].map(kindAfter)).toEqual(['world', 'unknown']);
  });

  it('is the world’s when the last call failed because the model was away, whatever the agent threw of it', () => {
    const trace = new TraceBuilder();
    trace.call('a');
    trace.call('b', { status: brokenStatus, attributes: { [attributeNames.outage]: true } });
    expect(failed('agent-failed', trace).failureKind).toBe('world');
    expect(failed('GraphRecursionError', trace).failureKind).toBe('policy');
    trace.call('c');
    expect(failed('agent-failed', trace).failureKind).toBe('unknown');
  });

  it('comes with the pace of the policy, of parallel calls once', () => {
    const trace = new TraceBuilder();
    trace.call('a', { startTimeMs: 1_000, endTimeMs: 3_000, response: [1, 2, 3, 4] });
    trace.call('b', { startTimeMs: 2_000, endTimeMs: 4_000, response: [1, 2] });
    trace.call('c', { startTimeMs: 10_000, endTimeMs: 11_000, response: [1, 2] });
    trace.call('cut', { startTimeMs: 20_000, endTimeMs: 25_000, response: [] });
    expect(episodeOf(trace).pace).toEqual({ tokensPerSecond: 2, seconds: 9 });
    const none = new TraceBuilder();
    none.reported('a');
    expect(episodeOf(none).pace).toBeUndefined();
  });
});

describe('toEpisode', () => {
  it('makes a transition of each call that the gateway captured for a policy, in order of sequence id', () => {
    const trace = new TraceBuilder();
    trace.call('first', { prompt: [1, 2], response: [3], ...names('write', 'graph') });
    trace.add('other', 'model_call', { attributes: { [attributeNames.source]: 'gateway' } });
    trace.call('second', { attributes: { [attributeNames.finishReasons]: ['length'] } });
    const episode = episodeOf(trace);
    expect(called(episode)).toEqual(['first', 'second']);
    expect(episode.untrainable).toEqual([]);
    expect(episode.transitions[0]).toEqual({
      rolloutId: 'rollout',
      attemptId: 'attempt',
      spanId: 'first',
      sequenceId: 1,
      callIndex: 0,
      agentName: 'write',
      policy: 'main',
      policyVersion: 3,
      promptIds: Int32Array.of(1, 2),
      responseIds: Int32Array.of(3),
      logprobs: Float32Array.of(-1),
      finishReason: 'stop',
      reward: undefined,
      signals: [],
    });
    expect(episode.transitions[1]).toMatchObject({ callIndex: 1, finishReason: 'length' });
  });

  it('gives every choice of a call the prompt that the first one holds', () => {
    const trace = new TraceBuilder();
    const other = (index: number): object => ({
      attributes: { [attributeNames.promptSpan]: 'first', [attributeNames.choiceIndex]: index },
    });
    trace.call('first', {
      responseId: 'r',
      prompt: [4, 5],
      response: [6],
      attributes: { [attributeNames.choiceIndex]: 0 },
    });
    trace.call('second', { responseId: 'r', prompt: [], response: [7], ...other(1) });
    trace.call('third', { responseId: 'r', prompt: [], response: [7], ...other(2) });
    const { transitions } = episodeOf(trace);
    expect(transitions.map(({ spanId, promptIds, responseIds }) => [spanId, [...promptIds], [...responseIds]])).toEqual(
      [
        ['first', [4, 5], [6]],
        ['second', [4, 5], [7]],
        ['third', [4, 5], [7]],
      ],
    );
    const lost = new TraceBuilder();
    lost.call('second', { prompt: [], ...other(1) });
    expect(episodeOf(lost).untrainable).toMatchObject([{ spanId: 'second', reason: 'the prompt has no tokens' }]);
  });

  it('has nothing to say of a rollout without spans', () => {
    expect(episodeOf(new TraceBuilder())).toEqual({
      rollout: rolloutOf('rollout'),
      transitions: [],
      untrainable: [],
      untrainedReward: undefined,
      reward: undefined,
      rewards: {},
      problems: [],
    });
  });

  it('counts the newest attempt only', () => {
    const old = new TraceBuilder('rollout', 'attempt-1');
    old.call('old');
    old.reward('reward', 1);
    const newest = new TraceBuilder('rollout', 'attempt-2', 3);
    newest.call('new');
    const episode = toEpisode(rolloutOf('rollout'), [...newest.spans, ...old.spans]);
    expect(called(episode)).toEqual(['new']);
    expect(episode.reward).toBeUndefined();
  });

  it('ignores another rollout’s spans and a span given twice', () => {
    const trace = new TraceBuilder();
    trace.call('a');
    const episode = toEpisode(rolloutOf('rollout'), [
      ...trace.spans,
      ...trace.spans,
      { ...trace.spans[0]!, spanId: 'b', rolloutId: 'another' },
    ]);
    expect(called(episode)).toEqual(['a']);
  });

  it('selects policies', () => {
    const trace = new TraceBuilder();
    trace.call('a');
    trace.call('b', { attributes: { [attributeNames.policy]: 'judge' } });
    expect(called(episodeOf(trace, { policies: ['judge'] }))).toEqual(['b']);
  });
});

describe('toEpisode with agentMatch', () => {
  it('selects by any of the names that the call carries', () => {
    const trace = new TraceBuilder();
    trace.call('a', names('model_request', 'finish/model_request', 'helper'));
    trace.call('b', names('check'));
    expect(called(episodeOf(trace, { agentMatch: /^helper$/ }))).toEqual(['a']);
    expect(called(episodeOf(trace, { agentMatch: /request|check/g }))).toEqual(['a', 'b']);
    expect(called(episodeOf(trace, { agentMatch: 'helper' }))).toEqual(['a']);
    expect(called(episodeOf(trace, { agentMatch: ['nobody', 'help'] }))).toEqual([]);
    expect(() => episodeOf(trace, { agentMatch: 'request|check' })).toThrow(/write the regular expression/);
  });

  it('lets a matching ancestor switch a subtree on, a named one that does not match off, and unnamed ones inherit', () => {
    const trace = new TraceBuilder();
    trace.agent('graph', ['graph']);
    trace.agent('write', ['write'], { parentSpanId: 'graph' });
    trace.add('unnamed', 'operation', { parentSpanId: 'write' });
    trace.call('inherits', { parentSpanId: 'unnamed' });
    trace.agent('check', ['check'], { parentSpanId: 'write' });
    trace.call('off', { parentSpanId: 'check' });
    trace.call('outside', { parentSpanId: 'graph' });
    trace.call('nobody');
    expect(called(episodeOf(trace, { agentMatch: /write/ }))).toEqual(['inherits']);
    expect(called(episodeOf(trace))).toEqual(['inherits', 'off', 'outside', 'nobody']);
    expect(episodeOf(trace).transitions.map(({ agentName }) => agentName)).toEqual(['write', 'check', 'graph', '']);
  });

  it('takes names and ancestors from the framework’s span of the same response', () => {
    const trace = new TraceBuilder();
    trace.call('captured', { responseId: 'r1' });
    trace.reported('reported', { responseId: 'r1', parentSpanId: 'node' });
    trace.agent('node', ['write']);
    const episode = episodeOf(trace, { agentMatch: /write/ });
    expect(episode.transitions.map(({ spanId, agentName }) => [spanId, agentName])).toEqual([['captured', 'write']]);
  });

  it('shows a call of a selected agent that went past the gateway', () => {
    const trace = new TraceBuilder();
    trace.agent('node', ['write']);
    trace.reported('past', { responseId: 'r1', parentSpanId: 'node' });
    expect(episodeOf(trace, { agentMatch: /write/ }).untrainable).toEqual([
      { spanId: 'past', agentName: 'write', reason: 'the call did not go through the gateway' },
    ]);
    expect(episodeOf(trace).untrainable).toEqual([]);
  });

  it('does not count a call that the gateway passed on to a model which is no policy', () => {
    const trace = new TraceBuilder();
    trace.add('passed on', 'model_call', {
      attributes: { [attributeNames.source]: 'gateway', [attributeNames.agentNames]: ['write'] },
    });
    trace.call('of another policy', { attributes: { [attributeNames.policy]: 'judge' } });
    const others = [{ agentName: 'write', isWrapped: true }];
    expect(episodeOf(trace, { agentMatch: /write/ })).toMatchObject({
      transitions: [],
      untrainable: [],
      otherCalls: others,
    });
    expect(episodeOf(trace, { policies: ['main'] }).otherCalls).toEqual([
      ...others,
      { agentName: '', isWrapped: false },
    ]);
  });
});

describe('toEpisode of a rollout whose spans say which agents are selected', () => {
  const selected = (isSelected: boolean, match?: string) => ({
    [attributeNames.agentSelected]: isSelected,
    ...(match !== undefined &&
      (isSelected ? { [attributeNames.agentMatch]: match } : { [attributeNames.agentUnmatched]: [match] })),
  });
  const sent = (agentName: string, host: string, calls: number, more: Attributes = {}) => ({
    attributes: {
      ...more,
      [attributeNames.agentName]: agentName,
      [attributeNames.outsideHost]: host,
      [attributeNames.outsideCalls]: calls,
    },
  });

  it('shows the selected calls that went past the gateway with the host, and of the others only whose they are', () => {
    const trace = new TraceBuilder();
    trace.agent('plan', ['plan'], { attributes: selected(true, '/plan/') });
    trace.agent('check', ['check'], { attributes: selected(false, '/plan/') });
    trace.reported('past', { responseId: 'r1', parentSpanId: 'plan', attributes: selected(true, '/plan/') });
    trace.reported('kept', { responseId: 'r2', parentSpanId: 'check', attributes: selected(false, '/plan/') });
    const client = { [attributeNames.outsideClient]: 'Anthropic/JS' };
    trace.add('requests', 'operation', sent('plan', 'api.anthropic.com', 3, { ...selected(true), ...client }));
    trace.add('vectors', 'operation', sent('plan', 'vectors.example', 1, selected(false)));
    trace.add('own', 'operation', sent('check', 'api.openai.com', 1, selected(false)));
    trace.add('plain', 'operation', sent('', 'judge.example', 2, client));
    const { untrainable, agents, otherCalls } = episodeOf(trace, { policies: ['main'] });
    expect(untrainable).toEqual([
      {
        spanId: 'past',
        agentName: 'plan',
        reason: 'the call did not go through the gateway; it went to api.anthropic.com',
        outside: { host: 'api.anthropic.com', client: 'Anthropic/JS' },
      },
    ]);
    expect(agents).toEqual([
      { name: 'plan', selected: true, match: '/plan/', unmatched: [], calls: 1 },
      { name: 'check', selected: false, match: undefined, unmatched: ['/plan/'], calls: 1 },
    ]);
    const judged = { agentName: '', isWrapped: false, host: 'judge.example', client: 'Anthropic/JS' };
    expect(otherCalls).toEqual([
      { agentName: 'check', isWrapped: true, host: 'api.openai.com' },
      { agentName: 'plan', isWrapped: true, host: 'vectors.example' },
      judged,
      judged,
    ]);
  });

  it('counts the requests of an agent whose calls no framework reports', () => {
    const trace = new TraceBuilder();
    trace.agent('plan', ['plan'], { attributes: selected(true) });
    trace.add('requests', 'operation', sent('plan', 'api.anthropic.com', 2));
    expect(episodeOf(trace).untrainable.map(({ outside }) => outside?.host)).toEqual(
      Array(2).fill('api.anthropic.com'),
    );
  });

  it('does not take for one that went past the gateway a call that failed, was cached, or may be one that the gateway has', () => {
    const trace = new TraceBuilder();
    trace.agent('plan', ['plan'], { attributes: selected(true) });
    const at = { parentSpanId: 'plan', attributes: selected(true) };
    trace.reported('failed', { ...at, status: brokenStatus });
    trace.reported('cached', { ...at, attributes: { ...selected(true), [attributeNames.untrainable]: 'cached' } });
    trace.call('captured', { responseId: 'r1', parentSpanId: 'plan' });
    trace.reported('without id', at);
    expect(episodeOf(trace)).toMatchObject({ transitions: [{ spanId: 'captured' }], untrainable: [] });
  });
});

describe('toEpisode with retries and copies', () => {
  it('keeps parallel calls that are the same in everything but their response', () => {
    const trace = new TraceBuilder();
    trace.call('a', { responseId: 'r1' });
    trace.call('b', { responseId: 'r2' });
    expect(called(episodeOf(trace))).toEqual(['a', 'b']);
  });

  it('counts a response once, and each of its choices', () => {
    const trace = new TraceBuilder();
    trace.call('a', { responseId: 'r1' });
    trace.call('again', { responseId: 'r1' });
    trace.call('choice', { responseId: 'r1', attributes: { [attributeNames.choiceIndex]: 1 } });
    expect(called(episodeOf(trace))).toEqual(['a', 'choice']);
  });

  it('keeps different responses of a server that gives all of them one id', () => {
    const trace = new TraceBuilder();
    trace.call('a', { responseId: 'chatcmpl-1', response: [2] });
    trace.call('b', { responseId: 'chatcmpl-1', response: [3] });
    expect(called(episodeOf(trace))).toEqual(['a', 'b']);
  });

  it('trains on the response that the agent went on with, and shows those that a retry replaced', () => {
    const trace = new TraceBuilder();
    trace.call('lost', { responseId: 'r1', parentSpanId: 'reported' });
    trace.call('kept', { responseId: 'r2', parentSpanId: 'reported' });
    trace.reported('reported', { responseId: 'r2' });
    const episode = episodeOf(trace);
    expect(called(episode)).toEqual(['kept']);
    expect(episode.untrainable).toEqual([
      { spanId: 'lost', agentName: '', reason: expect.stringMatching(/retry replaced/) },
    ]);
  });

  it('keeps a call with another prompt inside a reported call, as of a model that drafts before it answers', () => {
    const trace = new TraceBuilder();
    trace.call('draft', { responseId: 'r1', parentSpanId: 'reported', prompt: [7] });
    trace.call('answer', { responseId: 'r2', parentSpanId: 'reported', prompt: [7, 8] });
    trace.reported('reported', { responseId: 'r2' });
    expect(called(episodeOf(trace))).toEqual(['draft', 'answer']);
  });

  it('does not train on a response when the call that it hangs below reports one that nobody captured', () => {
    const trace = new TraceBuilder();
    trace.call('lost', { responseId: 'r1', parentSpanId: 'reported' });
    trace.reported('reported', { responseId: 'r2' });
    expect(called(episodeOf(trace))).toEqual([]);
  });

  it('finds a replaced response by its prompt when the calls hang below a node', () => {
    const trace = new TraceBuilder();
    trace.agent('node', ['write']);
    trace.call('lost', { responseId: 'r1', parentSpanId: 'node', prompt: [7] });
    trace.call('kept', { responseId: 'r2', parentSpanId: 'node', prompt: [7] });
    trace.call('unreported', { responseId: 'r3', parentSpanId: 'node', prompt: [8] });
    trace.reported('reported', { responseId: 'r2', parentSpanId: 'node' });
    const episode = episodeOf(trace);
    expect(called(episode)).toEqual(['kept', 'unreported']);
    expect(episode.untrainable).toHaveLength(1);
  });

  it('does not train on the response of a call that failed in the agent', () => {
    const trace = new TraceBuilder();
    trace.call('late', { responseId: 'r1', parentSpanId: 'reported' });
    trace.reported('reported', { status: brokenStatus });
    expect(episodeOf(trace).untrainable).toHaveLength(1);
  });

  it('joins a framework’s span that reports no response id by parentage', () => {
    const trace = new TraceBuilder();
    trace.agent('node', ['write']);
    trace.reported('reported', { parentSpanId: 'node' });
    trace.call('captured', { responseId: 'r1', parentSpanId: 'reported' });
    const episode = episodeOf(trace, { agentMatch: /write/ });
    expect(called(episode)).toEqual(['captured']);
    expect(episode.untrainable).toEqual([]);
  });
});

describe('toEpisode with calls that must not be trained on', () => {
  it.each([
    ['marked', { attributes: { [attributeNames.untrainable]: 'a grammar changed the distribution' } }, /^a grammar/],
    ['failed', { status: brokenStatus }, /the call failed: it broke/],
    ['without a version', { attributes: { [attributeNames.policyVersion]: '3' } }, /policy version is "3"/],
    ['without a finish', { attributes: { [attributeNames.finishReasons]: [] } }, /no finish reason/],
    [
      'cut off by a filter',
      { attributes: { [attributeNames.finishReasons]: ['content_filter'] } },
      /finished by "content_filter"/,
    ],
    ['with an empty response', { response: [] }, /response has no tokens/],
    ['with an empty prompt', { prompt: [] }, /prompt has no tokens/],
    [
      'with inconsistent lengths',
      { tokens: { prompt: Int32Array.of(1), response: Int32Array.of(2, 3), logprobs: Float32Array.of(-1) } },
      /1 log-probabilities for 2 response tokens/,
    ],
    [
      'with a log-probability that is no number',
      { tokens: { prompt: Int32Array.of(1), response: Int32Array.of(2), logprobs: Float32Array.of(Number.NaN) } },
      /log-probability 0 is NaN/,
    ],
    ['sampled greedily', { attributes: { [attributeNames.requestTemperature]: 0 } }, /greedily \(temperature 0\)/],
    ['of no temperature', { attributes: { [attributeNames.requestTemperature]: '1' } }, /its temperature is "1"/],
    ['sampled from some tokens', { attributes: { [attributeNames.requestTopP]: 0.9 } }, /sampled with top_p 0.9/],
  ])('lists a call %s with the reason', (_, shape, reason) => {
    const trace = new TraceBuilder();
    trace.call('bad', shape);
    trace.call('good');
    const episode = episodeOf(trace);
    expect(episode.untrainable).toEqual([{ spanId: 'bad', agentName: '', reason: expect.stringMatching(reason) }]);
    expect(episode.transitions).toMatchObject([{ spanId: 'good', callIndex: 0 }]);
  });

  it('keeps greedy calls of validation, which nobody trains on', () => {
    const trace = new TraceBuilder();
    trace.call('greedy', { attributes: { [attributeNames.requestTemperature]: 0 } });
    const { transitions, untrainable } = toEpisode(rolloutOf('rollout', { mode: 'val' }), trace.spans);
    expect(transitions).toMatchObject([{ spanId: 'greedy', temperature: 0 }]);
    expect(untrainable).toEqual([]);
  });

  it('keeps the temperature of each call', () => {
    const trace = new TraceBuilder();
    trace.call('warm', { attributes: { [attributeNames.requestTemperature]: 0.7 } });
    trace.call('untold');
    expect(episodeOf(trace).transitions.map(({ temperature }) => temperature)).toEqual([0.7, undefined]);
  });

  it('lists a call that was announced and never ended, and trains on what came after it', () => {
    const trace = new TraceBuilder();
    trace.add('cut', 'model_call', {
      isOpen: true,
      status: { code: 'error', message: 'the call did not end' },
      attributes: {
        [attributeNames.source]: 'gateway',
        [attributeNames.policy]: 'main',
        [attributeNames.policyVersion]: 3,
        [attributeNames.incomplete]: true,
        [attributeNames.untrainable]: 'incomplete: the call did not end',
      },
    });
    trace.call('retried');
    trace.reward('reward', 1);
    expect(episodeOf(trace)).toMatchObject({
      transitions: [{ spanId: 'retried' }],
      untrainable: [{ spanId: 'cut', reason: 'incomplete: the call did not end' }],
      reward: 1,
      problems: [],
    });
    expect(toMessages(trace.spans)).toMatchObject({ problems: [{ spanId: 'retried' }] });
  });

  it('says of a call that it failed because what samples was away', () => {
    const trace = new TraceBuilder();
    trace.call('lost', { status: brokenStatus, attributes: { [attributeNames.outage]: true } });
    trace.call('refused', { status: brokenStatus });
    expect(episodeOf(trace).untrainable.map(({ spanId, isOutage }) => [spanId, isOutage])).toEqual([
      ['lost', true],
      ['refused', undefined],
    ]);
  });

  it('lists a call without tokens', () => {
    const trace = new TraceBuilder();
    trace.call('bad');
    const { tokens: _, ...bare } = trace.spans[0]!;
    expect(toEpisode(rolloutOf('rollout'), [bare]).untrainable).toMatchObject([
      { reason: 'the engine reported no tokens' },
    ]);
  });
});

describe('toEpisode with rewards', () => {
  it('takes the primary dimension of the last reward of the rollout', () => {
    const trace = new TraceBuilder();
    trace.reward('early', 0.25);
    trace.add('late', 'reward', {
      attributes: {
        'agentlightning.reward.0.name': 'correct',
        'agentlightning.reward.0.value': 1,
        'agentlightning.reward.1.name': 'short',
        'agentlightning.reward.1.value': 0.5,
      },
    });
    expect(episodeOf(trace)).toMatchObject({ reward: 1, rewards: { correct: 1, short: 0.5 }, problems: [] });
  });

  it('gives an agent’s reward to its last call before the reward', () => {
    const trace = new TraceBuilder();
    trace.call('one', names('write'));
    trace.call('two', names('write', 'graph'));
    trace.call('other', names('check'));
    trace.reward('reward', 0.5, scopeOf('agent', 'write'));
    trace.call('later', names('write'));
    trace.reward('second reward', 0.25, scopeOf('agent', 'write'));
    expect(episodeOf(trace).transitions.map(({ reward }) => reward)).toEqual([undefined, 0.5, undefined, 0.25]);
  });

  it('gives an agent’s first call the reward that came before it', () => {
    const trace = new TraceBuilder();
    trace.reward('reward', 0.5, scopeOf('agent', 'write'));
    trace.call('one', names('write'));
    trace.call('two', names('write'));
    expect(episodeOf(trace).transitions.map(({ reward }) => reward)).toEqual([0.5, undefined]);
  });

  it('never spills a reward to an earlier call because the last one has one', () => {
    const trace = new TraceBuilder();
    trace.call('one', names('write'));
    trace.call('two', names('write'));
    trace.reward('first', 1, scopeOf('agent', 'write'));
    trace.reward('second', 0.5, scopeOf('agent', 'write'));
    expect(episodeOf(trace).transitions.map(({ reward }) => reward)).toEqual([undefined, 0.5]);
  });

  it('finds the call of a span: itself, the framework’s, one inside, one around, one that it followed', () => {
    const trace = new TraceBuilder();
    trace.agent('node', ['write']);
    trace.call('a', { responseId: 'r1' });
    trace.reported('a reported', { responseId: 'r1', parentSpanId: 'node' });
    trace.add('parser', 'operation', { parentSpanId: 'a reported' });
    trace.tool('tool', 'sql', { parentSpanId: 'node' });
    trace.call('b');
    for (const [index, target] of ['a', 'a reported', 'node', 'parser', 'tool'].entries())
      trace.reward(`reward ${index}`, 2 ** index, scopeOf('span', target));
    const episode = episodeOf(trace);
    expect(episode.transitions.map(({ spanId, reward }) => [spanId, reward])).toEqual([
      ['a', 1 + 2 + 4 + 8 + 16],
      ['b', undefined],
    ]);
    expect(episode.problems).toEqual([]);
  });

  it('shows rewards that it cannot read or place, and keeps the others', () => {
    const trace = new TraceBuilder();
    trace.call('a');
    trace.reward('fine', 1);
    trace.reward('malformed', Number.NaN);
    trace.reward('unknown span', 1, scopeOf('span', 'nowhere'));
    trace.reward('unknown agent', 1, scopeOf('agent', 'nobody'));
    const episode = episodeOf(trace);
    expect(episode.reward).toBe(1);
    expect(episode.transitions[0]!.reward).toBeUndefined();
    expect(episode.problems!.map(({ spanId }) => spanId)).toEqual(['malformed', 'unknown span', 'unknown agent']);
    expect(episode.problems![1]!.reason).toMatch(/span "nowhere"/);
  });

  it('does not move the reward of an untrainable call to another', () => {
    const trace = new TraceBuilder();
    trace.call('good');
    trace.call('bad', { response: [] });
    trace.reward('reward', 1, scopeOf('span', 'bad'));
    const episode = episodeOf(trace);
    expect(episode.transitions[0]!.reward).toBeUndefined();
    expect(episode).toMatchObject({ untrainedReward: 1, problems: [] });
  });

  it('keeps for the rollout what agents earned that do not train; a later reward replaces an earlier one there too', () => {
    const trace = new TraceBuilder();
    trace.call('written', names('write'));
    trace.call('checked', names('check'));
    trace.reward('early', 4, scopeOf('agent', 'check'));
    trace.reward('late', 0.5, scopeOf('agent', 'check'));
    trace.reward('direct', -0.25, scopeOf('span', 'checked'));
    trace.reward('own', 1, scopeOf('agent', 'write'));
    const episode = episodeOf(trace, { agentMatch: /write/ });
    expect(episode.transitions.map(({ reward }) => reward)).toEqual([1]);
    expect(episode).toMatchObject({ untrainedReward: 0.25, problems: [] });
  });
});
