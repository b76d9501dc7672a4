import { describe, expect, it } from 'vitest';
import { findTypeErrors, judgeApp, judgeServer } from './judge.ts';

describe('the errors of a compiler', () => {
  it('count in the app, in our types, and where they are of no file', () => {
    const own = [
      "main.ts(3,1): error TS2304: Cannot find name 'x'.",
      "node_modules/agent-lightning/dist/index.d.ts(1,1): error TS2307: Cannot find module 'y'.",
      "node_modules/@agent-lightning/core/dist/index.d.ts(1,1): error TS2307: Cannot find module 'y'.",
      "error TS18003: No inputs were found in config file 'tsconfig.json'.",
    ];
    const others = [
      "node_modules/@mastra/core/dist/index.d.ts(1,22): error TS2724: no exported member named 'ProviderV3'.",
      "  Type 'string' is not assignable to type 'void'.",
      '',
    ];
    expect(findTypeErrors([...own, ...others].join('\n'))).toEqual(own);
  });
});

describe('what the app printed', () => {
  const runs = ['writer', 'planner', 'checker', 'clerk'].map((agent) => ({
    agent,
    status: 'succeeded',
    reward: 1,
    answer: `answer of ${agent} #q1`,
  }));
  const trained = { steps: 1, stopReason: 'completed', hasReport: true };
  const print = (object: object): string => `a line\n${JSON.stringify(object)}\n`;

  it('passes when it is whole', () => {
    judgeApp(print({ node: '22.15.0', memory: runs, sqlite: runs, trained }), '22.15.0', true);
    judgeApp(print({ node: '26.1.0', memory: runs, sqlite: runs }), '26', false);
  });

  it('is rejected on another Node, without a reward, a store or the training', () => {
    const whole = { node: '24.1.0', memory: runs, sqlite: runs, trained };
    const wrong = [
      { ...whole, node: '2.4.0' },
      { ...whole, node: '240.1.0' },
      { ...whole, memory: runs.map((run) => ({ ...run, reward: 0 })) },
      { ...whole, sqlite: runs.slice(1) },
      { ...whole, trained: undefined },
      { ...whole, trained: { ...trained, steps: 0 } },
    ];
    for (const object of wrong) expect(() => judgeApp(print(object), '24', true)).toThrow();
  });

  it('of a server must have the model call and the reward of the rollout that answered', () => {
    const answered = { rolloutId: 'a', answer: 'answer of writer #q1' };
    const rollout = { rolloutId: 'a', status: 'succeeded', kinds: ['agent', 'model_call', 'reward'] };
    judgeServer(answered, [rollout]);
    expect(() => judgeServer(answered, [{ ...rollout, rolloutId: 'b' }])).toThrow();
    expect(() => judgeServer(answered, [{ ...rollout, kinds: ['agent', 'reward'] }])).toThrow();
    expect(() => judgeServer({ ...answered, answer: '' }, [rollout])).toThrow();
  });
});
