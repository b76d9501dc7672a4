import { describe, expect, expectTypeOf, it } from 'vitest';
import { attributeNames } from '@agent-lightning/core';
import { emitMessage, operation, runOperation } from '../src/index.ts';
import { startRollout } from './test-rollout.ts';

describe('operation', () => {
  it('traces a synchronous function with its input and output, and keeps its type', async () => {
    const add = operation('add', (a: number, b: number) => a + b);
    expectTypeOf(add).parameters.toEqualTypeOf<[number, number]>();
    const rollout = await startRollout();
    expect(rollout.run(() => add(1, 2))).toBe(3);
    expect(await rollout.spans()).toMatchObject([
      {
        kind: 'operation',
        name: 'add',
        status: { code: 'ok' },
        attributes: {
          [attributeNames.operationLabel]: 'add',
          [attributeNames.operationInput]: '[1,2]',
          [attributeNames.operationOutput]: '3',
        },
      },
    ]);
  });

  it('ends with the promise of an asynchronous function, and nests what runs inside it', async () => {
    const inner = operation('inner', async (text: string) => {
      await Promise.resolve();
      emitMessage(text);
    });
    const outer = operation('outer', async () => {
      await Promise.all([inner('a'), inner('b')]);
      return 'done';
    });
    const rollout = await startRollout();
    expect(await rollout.run(() => outer())).toBe('done');
    const spans = await rollout.spans();
    const [top] = spans.filter(({ name }) => name === 'outer');
    const inners = spans.filter(({ name }) => name === 'inner');
    const messages = spans.filter(({ kind }) => kind === 'message');
    expect(inners.map(({ parentSpanId }) => parentSpanId)).toEqual([top?.spanId, top?.spanId]);
    expect(messages.map(({ parentSpanId }) => parentSpanId).toSorted()).toEqual(
      inners.map(({ spanId }) => spanId).toSorted(),
    );
    expect(spans.at(-1)).toBe(top);
  });

  it.each([
    [
      'throws',
      () => {
        throw new TypeError('bad');
      },
    ],
    ['rejects', () => Promise.reject(new TypeError('bad'))],
  ])('marks a function that %s, and passes its error on', async (_, work) => {
    const rollout = await startRollout();
    await expect((async () => await rollout.run(() => runOperation('fails', work)))()).rejects.toThrow(
      new TypeError('bad'),
    );
    expect(await rollout.spans()).toMatchObject([
      {
        name: 'fails',
        status: { code: 'error', message: 'bad' },
        attributes: { [attributeNames.errorType]: 'TypeError' },
      },
    ]);
  });

  it('keeps `this`', async () => {
    const counter = {
      count: 41,
      next: operation('next', function next(this: { count: number }) {
        return ++this.count;
      }),
    };
    const rollout = await startRollout();
    expect(rollout.run(() => counter.next())).toBe(42);
  });

  it('cuts long values visibly, and survives values that JSON cannot hold', async () => {
    const rollout = await startRollout();
    rollout.run(() => operation('long', (text: string) => text.length)('x'.repeat(20_000)));
    rollout.run(() => operation('big', (value: bigint) => value)(1n));
    rollout.run(() =>
      operation('both', (_state: object, _config: object, _rest?: string) => undefined)(
        { a: 1 },
        { big: 1n },
        undefined,
      ),
    );
    const [long, big, both] = await rollout.spans();
    expect(both?.attributes[attributeNames.operationInput]).toMatch(/^\[\{"a":1\},\[not JSON: .*\],\[undefined\]\]$/);
    expect(both?.attributes).not.toHaveProperty(attributeNames.operationOutput);
    expect(long?.attributes[attributeNames.operationInput]).toMatch(/x… \[more\]$/);
    expect(big?.attributes[attributeNames.operationInput]).toMatch(/^\[not JSON: .*BigInt/);
  });

  it('uses the rollout of the call, not that of the wrapping', async () => {
    const [first, second] = await Promise.all([startRollout(), startRollout()]);
    const traced = first.run(() => operation('late', () => 1));
    second.run(() => traced());
    expect(await first.spans()).toEqual([]);
    expect(await second.spans()).toHaveLength(1);
  });

  it('is the function outside a rollout', async () => {
    const traced = operation('lonely', function (this: { readonly base: number } | void, more: number) {
      if (more < 0) throw new RangeError('negative');
      return (this?.base ?? 0) + more;
    });
    expect(traced(1)).toBe(1);
    expect(traced.call({ base: 2 }, 1)).toBe(3);
    expect(() => traced(-1)).toThrow(RangeError);
    expect(await runOperation('now', () => Promise.resolve(4))).toBe(4);
  });
});
