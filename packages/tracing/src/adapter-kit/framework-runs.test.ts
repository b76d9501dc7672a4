import { describe, expect, it } from 'vitest';
import type { LlmEndpoint, SpanInput } from '@agent-lightning/core';
import { activeSpan, runInSpan } from '../scope/active-span.ts';
import { emitMessage } from '../emit/emitters.ts';
import { FrameworkRuns } from './framework-runs.ts';
import { runBeside } from './run-beside.ts';
import type { AgentOptions } from '../selection/agent-options.ts';
import { selectAgent } from '../selection/select-agent.ts';
import { currentRollout, runInRollout, type RolloutScope } from '../scope/rollout-scope.ts';
import { TraceRecorder } from '../writing/trace-recorder.ts';

let count = 0;

function startRollout(): { scope: RolloutScope; spans: SpanInput[] } {
  const lease = { rolloutId: `r${++count}`, attemptId: `r${count}-a1`, fencingToken: 1 };
  const spans: SpanInput[] = [];
  const store = {
    appendSpans: (_: unknown, written: readonly SpanInput[]) => {
      spans.push(...written);
      return Promise.resolve(written.map((_, index) => index + 1));
    },
  };
  const recorder = new TraceRecorder({ lease, store });
  const attempt = { ...lease, attemptNumber: 1 };
  const scope = { attempt, lease, recorder, resources: {}, llm: {} as LlmEndpoint } as unknown as RolloutScope;
  return { scope, spans };
}

const agent = (name: string, detail = name) => ({
  span: { kind: 'agent' as const, name },
  names: [name],
  detail,
});

describe('FrameworkRuns', () => {
  it('is one registry for each framework', () => {
    expect(FrameworkRuns.of('one')).toBe(FrameworkRuns.of('one'));
    expect(FrameworkRuns.of('one')).not.toBe(FrameworkRuns.of('two'));
  });

  it('does nothing outside a rollout, and does not ask what the run is', () => {
    const runs = new FrameworkRuns<string>();
    runs.begin({ id: 'a', describe: () => expect.unreachable() });
    runs.end('a');
    expect(runs.size).toBe(0);
    expect(runs.inside('a', () => 'done')).toBe('done');
  });

  it('begins each run once, takes the later wrappers inside the others, and ends it once', async () => {
    const runs = new FrameworkRuns<string>();
    const { scope, spans } = startRollout();
    runInRollout(scope, () => {
      runs.begin({ id: 'a', wrappers: [{ agentMatch: /outer/ }], describe: () => agent('writer') });
      runs.begin({ id: 'a', wrappers: [{ agentMatch: /inner/ }], describe: () => agent('twice') });
      runs.begin({ id: 'a', describe: () => agent('thrice') });
      expect(runs.get('a')?.agent).toEqual({
        names: ['writer'],
        wrappers: [{ agentMatch: /inner/ }, { agentMatch: /outer/ }],
      });
      runs.end('a');
      runs.end('a');
    });
    await scope.recorder.flush();
    expect(spans.map(({ name }) => name)).toEqual(['writer']);
  });

  it('selects what runs beside an agent by an agentMatch that names it, and by no wrapper that selects every agent', () => {
    const runs = new FrameworkRuns<string>();
    const isSelected = (wrappers: readonly AgentOptions[], more: readonly AgentOptions[] = []): boolean =>
      runInRollout(startRollout().scope, () => {
        const ids = ['agent', 'guardrail', 'model'].map((name) => `${name}${++count}`) as [string, string, string];
        runs.begin({ id: ids[0], wrappers, describe: () => agent('writer') });
        runs.begin({ id: ids[1], parentId: ids[0], describe: () => ({ ...agent('guard'), isBeside: true }) });
        runs.begin({ id: ids[2], parentId: ids[1], wrappers: more, describe: () => ({ detail: '' }) });
        expect(runs.inside(ids[0], () => runBeside(['guard'], callIsSelected))).toBe(
          runs.isSelected(runs.get(ids[1])!),
        );
        return runs.isSelected(runs.get(ids[2])!);
      });
    const callIsSelected = (): boolean => {
      const { names, wrappers } = activeSpan(currentRollout()!)!.agent!;
      return selectAgent(names, wrappers).isSelected;
    };
    expect(isSelected([{}])).toBe(false);
    expect(isSelected([{ agentMatch: 'writer' }])).toBe(false);
    expect(isSelected([{ agentMatch: ['writer', 'guard'] }])).toBe(true);
    expect(isSelected([{}], [{}])).toBe(true);
  });

  it('lifts the children of a run without a span, and hands down names and wrappers', async () => {
    const runs = new FrameworkRuns<string>();
    const { scope, spans } = startRollout();
    runInRollout(scope, () => {
      runs.begin({ id: 'a', wrappers: [{ agentMatch: /w/ }], describe: () => agent('writer', 'one') });
      runs.begin({ id: 'b', parentId: 'a', describe: (parent) => ({ detail: `${parent?.detail} two` }) });
      runs.begin({
        id: 'c',
        parentId: 'b',
        describe: (parent) => ({ span: { kind: 'tool_call', name: `${parent?.detail} three` }, detail: '' }),
      });
      expect(runs.get('c')?.agent).toEqual({ names: ['writer'], wrappers: [{ agentMatch: /w/ }] });
      runs.fail('c', new RangeError('no'));
      for (const id of ['b', 'a']) runs.end(id);
    });
    await scope.recorder.flush();
    expect(spans).toMatchObject([
      { name: 'one two three', parentSpanId: spans[1]?.spanId, status: { code: 'error', message: 'no' } },
      { name: 'writer', status: { code: 'ok' } },
    ]);
  });

  it('runs code as a run, also outside the rollout that began it, but not inside a rollout of its own', async () => {
    const runs = new FrameworkRuns<string>();
    const [one, two] = [startRollout(), startRollout()];
    runInRollout(one.scope, () => runs.begin({ id: 'a', describe: () => agent('writer') }));
    const spanId = runs.get('a')?.spanId;
    runs.inside('a', () => {
      expect(currentRollout()).toBe(one.scope);
      expect(activeSpan(one.scope)).toMatchObject({ spanId, agent: { names: ['writer'] } });
      emitMessage('inside');
    });
    runInRollout(one.scope, () =>
      runInRollout(two.scope, () => {
        runs.inside('a', () => expect(currentRollout()).toBe(two.scope));
        runs.begin({ id: 'b', parentId: 'a', describe: (parent) => agent(`parent ${String(parent)}`) });
        runs.end('b');
      }),
    );
    runs.end('a');
    await Promise.all([one.scope.recorder.flush(), two.scope.recorder.flush()]);
    expect(one.spans.map(({ name, parentSpanId }) => [name, parentSpanId])).toEqual([
      ['message', spanId],
      ['writer', undefined],
    ]);
    expect(two.spans.map(({ name, parentSpanId }) => [name, parentSpanId])).toEqual([['parent undefined', undefined]]);
  });

  it('knows whose a run is where a queue has started its code in the context of another rollout', async () => {
    const runs = new FrameworkRuns<string>();
    const [one, two] = [startRollout(), startRollout()];
    runInRollout(one.scope, () => runs.begin({ id: 'a', describe: () => agent('writer') }));
    runInRollout(two.scope, () => {
      runs.inside('a', () => expect(currentRollout()).toBe(one.scope));
      runs.begin({ id: 'b', parentId: 'a', describe: () => agent('helper') });
      runs.inside('b', () => emitMessage('inside'));
      runs.end('b');
      expect(currentRollout()).toBe(two.scope);
    });
    runs.end('a');
    await Promise.all([one.scope.recorder.flush(), two.scope.recorder.flush()]);
    expect([one.spans.map(({ name }) => name), two.spans]).toEqual([['message', 'helper', 'writer'], []]);
    // That the code went back to it makes no rollout a part of the other.
    runInRollout(one.scope, () => runs.begin({ id: 'c', describe: () => agent('writer') }));
    runInRollout(two.scope, () => runs.inside('c', () => expect(currentRollout()).toBe(one.scope)));
  });

  it('follows a framework that keeps the current run itself, except in what runInSpan has entered since', () => {
    const runs = new FrameworkRuns<string>();
    const { scope } = startRollout();
    let current: string | undefined;
    const stop = runs.follow(() => current);
    const entered = { attemptId: scope.attempt.attemptId, spanId: '00000000000000aa' };
    runInRollout(scope, () =>
      runInSpan(entered, () => {
        runs.begin({ id: 'a', describe: () => agent('writer') });
        expect(activeSpan(scope)).toBe(entered);
        current = 'a';
        expect(activeSpan(scope)).toMatchObject({ spanId: runs.get('a')?.spanId, agent: { names: ['writer'] } });
        const inner = { attemptId: scope.attempt.attemptId, spanId: '00000000000000bb' };
        runInSpan(inner, () => expect(activeSpan(scope)).toBe(inner));
        expect(activeSpan(startRollout().scope)).toBeUndefined();
      }),
    );
    stop();
    expect(runInRollout(scope, () => activeSpan(scope))).toBeUndefined();
  });

  it('puts a root under the span that is active, and takes that agent’s wrappers', () => {
    const runs = new FrameworkRuns<string>();
    const other = new FrameworkRuns<string>();
    const { scope } = startRollout();
    runInRollout(scope, () => {
      runs.begin({ id: 'a', wrappers: [{ agentMatch: /w/ }], describe: () => agent('writer') });
      runs.inside('a', () => other.begin({ id: 'a', describe: () => agent('helper') }));
    });
    expect(other.get('a')?.agent).toEqual({ names: ['helper'], wrappers: [{ agentMatch: /w/ }] });
  });

  it('takes names that are empty, too long or no text for a span, which say less, and refuses nobody for them', async () => {
    const runs = new FrameworkRuns<string>();
    const { scope, spans } = startRollout();
    const path = `${'outer/'.repeat(1_000)}inner`;
    runInRollout(scope, () => {
      for (const [id, name] of Object.entries({ empty: '', long: path, nul: 'a\0b\uD800' })) {
        runs.begin({ id, describe: () => agent(name) });
        runs.end(id);
      }
      runs.begin({ id: 'whole', describe: () => agent(path) });
      expect(runs.get('whole')?.agent.names).toEqual([path]);
    });
    await scope.recorder.flush();
    expect(spans.map(({ name }) => name.length)).toEqual(['agent'.length, 1_000, 4]);
    expect(spans[2]!.name).toBe('a\uFFFDb\uFFFD');
    expect(spans[1]!.name).toMatch(/^outer\/.*\/inner$/);
  });

  it('forgets the runs of attempts that are over when many have gathered', async () => {
    const runs = new FrameworkRuns<undefined>();
    const begin = (scope: RolloutScope, id: string): void =>
      runInRollout(scope, () => runs.begin({ id, describe: () => ({ detail: undefined }) }));
    const [over, running] = [startRollout(), startRollout()];
    for (let index = 0; index < 4_000; index++) begin(over.scope, `over ${index}`);
    await over.scope.recorder.close();
    for (let index = 0; index < 200; index++) begin(running.scope, `running ${index}`);
    expect(runs.get('over 0')).toBeUndefined();
    expect(runs.size).toBe(200);
  });
});
