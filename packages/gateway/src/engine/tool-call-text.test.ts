import { expect, it } from 'vitest';
import { ToolCallText } from './tool-call-text.ts';

it('numbers the calls of a message and gives each an id of its own', () => {
  const text = new ToolCallText('hermes');
  const one = '<tool_call>{"name":"f"}</tool_call>';
  const calls = [text.push(one), text.push('and'), text.push(one), text.end()].flatMap(
    (delta) => delta.tool_calls ?? [],
  );
  expect(calls.map((call) => call.index)).toEqual([0, 1]);
  expect(new Set(calls.map((call) => call.id)).size).toBe(2);
  expect(calls[0]?.id).toMatch(/^call_[0-9a-f]{24}$/);
  expect(text.calls).toBe(2);
});
