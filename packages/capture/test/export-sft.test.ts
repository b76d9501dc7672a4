import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attributeNames, type ChatMessage, type JsonValue } from '@agent-lightning/core';
import { requireRollout } from '@agent-lightning/tracing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { exportSft, toSftRows } from '../src/index.ts';
import { captureInto } from './capture-harness.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'export-sft-'));
});
afterEach(() => rm(folder, { recursive: true }));

const tools = [
  {
    type: 'function',
    function: { name: 'add', parameters: { type: 'object', properties: { a: { type: 'integer' } } } },
  },
];
const calls = (args: string): JsonValue => [
  { index: 0, id: 'c1', type: 'function', function: { name: 'add', arguments: args } },
];
const example = { role: 'assistant', content: 'an example of an answer' };
const prompt: readonly ChatMessage[] = [
  { role: 'system', content: 'Add.' },
  { role: 'user', content: 'first' },
  example,
  { role: 'user', content: '1 and 2 — ✓' },
];
const asked = {
  role: 'assistant',
  content: null,
  refusal: null,
  reasoning_content: 'hm',
  tool_calls: calls('{"a": 1.0}'),
};
const result = { role: 'tool', content: '3', tool_call_id: 'c1' };
const answer = { role: 'assistant', content: 'three' };

function call(input: readonly ChatMessage[], said: ChatMessage, finishReason = 'stop'): void {
  requireRollout('the test').recorder.record({
    kind: 'model_call',
    name: 'chat',
    attributes: {
      [attributeNames.source]: 'gateway',
      [attributeNames.agentNames]: ['adder'],
      [attributeNames.inputMessages]: JSON.stringify(input),
      [attributeNames.outputMessages]: JSON.stringify([said]),
      [attributeNames.finishReasons]: [finishReason],
      [attributeNames.toolDefinitions]: JSON.stringify(tools),
    },
  });
}

async function captured() {
  const { capture, exported } = captureInto();
  await capture.run('task', () => {
    call(prompt, asked);
    call([...prompt, asked, result], answer);
  });
  const broken = capture.run('broken', () => {
    throw new RangeError('broken');
  });
  await broken.catch(() => undefined);
  return await exported();
}

async function linesOf(format: 'openai' | 'trl'): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const file = join(folder, `${format}.jsonl`);
  const found = await exportSft(await captured(), { file, format });
  expect(found).toEqual({ rows: 1, leftOut: { failed: 1, reward: 0, truncated: 0, noConversation: 0 }, problems: 0 });
  return (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
}

it('writes what OpenAI reads: arguments as text, no other fields, and weight 0 for what the agent did not say', async () => {
  expect(await linesOf('openai')).toEqual([
    {
      messages: [
        { role: 'system', content: 'Add.' },
        { role: 'user', content: 'first' },
        { ...example, weight: 0 },
        { role: 'user', content: '1 and 2 — ✓' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'add', arguments: '{"a": 1.0}' } }],
        },
        result,
        answer,
      ],
      tools,
    },
  ]);
  expect(await readdir(folder)).toEqual(['openai.jsonl']);
});

it('writes what TRL reads: arguments as objects, and tools as one text', async () => {
  const [row] = await linesOf('trl');
  expect((row!['messages'] as readonly unknown[])[4]).toEqual({
    role: 'assistant',
    content: '',
    tool_calls: [{ id: 'c1', type: 'function', function: { name: 'add', arguments: { a: 1 } } }],
  });
  expect(JSON.parse(row!['tools'] as string)).toEqual(tools);
  expect(JSON.stringify(row)).not.toContain('weight');
});

it('says which messages the agent said', async () => {
  expect(toSftRows(await captured()).rows.map(({ replies }) => replies)).toEqual([[4, 6]]);
});

it('leaves out rollouts with a reply that the token limit cut off, unless they are to be kept', async () => {
  const { capture, exported } = captureInto();
  await capture.run('whole', () => call(prompt, answer));
  await capture.run('cut', () => {
    call(prompt, { role: 'assistant', content: 'thr' }, 'length');
    call([...prompt, { role: 'assistant', content: 'thr' }, { role: 'user', content: 'on' }], answer);
  });
  const file = join(folder, 'cut.jsonl');
  const left = await exportSft(await exported(), { file });
  expect(left).toMatchObject({ rows: 1, leftOut: { truncated: 1, noConversation: 0 } });
  expect(await readFile(file, 'utf8')).not.toContain('"thr"');
  const kept = await exportSft(await exported(), { file, truncated: 'keep' });
  expect(kept).toMatchObject({ rows: 2, leftOut: { truncated: 0 } });
  expect(await readFile(file, 'utf8')).toContain('"thr"');
  expect(toSftRows(await exported(), { agentMatch: 'other' }).leftOut).toMatchObject({ truncated: 0 });
  await expect(exportSft([], { file, truncated: 'train' as 'keep' })).rejects.toThrow('exportSft: truncated');
  expect(() => toSftRows([], { truncated: 'train' as 'keep' })).toThrow('truncated');
});

it('refuses another format, and a file that cannot be written', async () => {
  await expect(exportSft([], { file: join(folder, 'a'), format: 'csv' as 'trl' })).rejects.toMatchObject({
    code: 'option-invalid',
  });
  await expect(exportSft([], { file: '' })).rejects.toMatchObject({ code: 'option-invalid' });
  await expect(exportSft([], { file: join(folder, 'none', 'a') })).rejects.toMatchObject({
    message: expect.stringContaining('give a path in a folder that exists'),
  });
});
