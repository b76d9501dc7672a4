import { attributeNames } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { describeEnd } from './spans.ts';

/** Returns the response id that the end of a generation with this output tells. */
function responseIdOf(output: readonly Record<string, unknown>[]): unknown {
  const { attributes } = describeEnd({ spanData: { type: 'generation', output: [...output] }, error: null });
  return attributes?.[attributeNames.responseId];
}

describe('the response id of a generation', () => {
  it('is that of the reply of Chat Completions', () => {
    expect(responseIdOf([{ id: 'chatcmpl-1', choices: [{ finish_reason: 'stop' }] }])).toBe('chatcmpl-1');
  });

  it('is not that of an item, but what the provider of the AI SDK said of it', () => {
    const providerData = { responseId: 'chatcmpl-2' };
    expect(responseIdOf([{ type: 'message', id: 'txt-0', providerData }])).toBe('chatcmpl-2');
    expect(
      responseIdOf([
        { type: 'reasoning', id: 'r-0' },
        { type: 'message', id: 'txt-0', providerData },
      ]),
    ).toBe('chatcmpl-2');
  });

  it('is unknown where neither says it', () => {
    expect(responseIdOf([])).toBeUndefined();
    expect(responseIdOf([{ type: 'message', id: 'txt-0' }])).toBeUndefined();
  });
});
