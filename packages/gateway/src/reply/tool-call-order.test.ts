import { describe, expect, it } from 'vitest';
import { MessageDraft } from './reply-message.ts';
import { readToolCalls, ToolCallOrder } from './tool-call-order.ts';

/** Returns each call as `name(arguments)`, from deltas as they come. */
function callsOf(deltas: readonly (readonly object[])[]): readonly string[] {
  const draft = new MessageDraft();
  for (const delta of deltas) draft.add({ tool_calls: delta });
  const calls = draft.toMessage()['tool_calls'] as unknown as readonly {
    readonly function: { readonly name: string; readonly arguments: string };
  }[];
  return calls.map(({ function: { name, arguments: text } }) => `${name}(${text})`);
}

const delta = (name: string, text: string, rest: object = {}): readonly object[] => [
  { ...rest, function: { name, arguments: text } },
];

describe('deltas of tool calls', () => {
  it.each<[string, readonly (readonly object[])[], readonly string[]]>([
    [
      'two functions at index 0, without ids',
      [delta('f', '{"a"', { index: 0 }), delta('', ':1}', { index: 0 }), delta('g', '{}', { index: 0 })],
      ['f({"a":1})', 'g({})'],
    ],
    [
      'the name in each, without ids',
      [delta('f', '{"a"'), delta('f', ':1}'), delta('f', '{"a":'), delta('f', '2}')],
      ['f({"a":1})', 'f({"a":2})'],
    ],
    ['a name in parts', [delta('run_', '', { index: 0 }), delta('sql', '{}', { index: 0 })], ['run_sql({})']],
    [
      'two calls in one list, without index',
      [
        [
          { id: 'a', function: { name: 'f', arguments: '' } },
          { id: 'b', function: { name: 'f', arguments: '{}' } },
        ],
      ],
      ['f()', 'f({})'],
    ],
    [
      'calls that take turns',
      [
        delta('f', '', { index: 0, id: 'a' }),
        delta('g', '', { index: 1, id: 'b' }),
        delta('', '{"x":1}', { index: 0 }),
        delta('', '{"y":2}', { index: 1 }),
      ],
      ['f({"x":1})', 'g({"y":2})'],
    ],
    [
      'one id for calls of two indices',
      [delta('f', '{}', { index: 0, id: 'call' }), delta('g', '{}', { index: 1, id: 'call' })],
      ['f({})', 'g({})'],
    ],
  ])('%s', (_what, deltas, calls) => expect(callsOf(deltas)).toEqual(calls));

  it('number the calls in the order in which they begin', () => {
    const order = new ToolCallOrder();
    const [first, second] = readToolCalls([
      { index: 3, id: 'a', function: { name: 'f' } },
      { index: 7, id: 'b', function: { name: 'g' } },
    ]);
    expect([order.place(first!), order.place(second!)]).toEqual([
      { number: 0, isNew: true, name: 'f' },
      { number: 1, isNew: true, name: 'g' },
    ]);
    expect(order.place(first!)).toEqual({ number: 0, isNew: false, name: '' });
  });

  it('that are no objects begin a call without a name', () => {
    expect(readToolCalls([null])).toEqual([{ index: undefined, id: '', name: '', arguments: '' }]);
    expect(readToolCalls('none')).toEqual([]);
  });
});
