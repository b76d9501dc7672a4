/** Reads back the calls that the chat templates of trl write, which are copies of the models' own; pip downloads them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ChatMessage } from '@agent-lightning/core';
import { afterAll, describe, expect, it } from 'vitest';

import { ChatTemplate, createToolCallReader } from '../src/index.ts';
import { endsInThought } from '../src/tool-calls/tool-call-reader.ts';
import { readPieces } from './read-pieces.ts';

const requirement = 'trl==1.16.0';
const directory = mkdtempSync(join(tmpdir(), 'trl-templates-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** Returns the sources of the templates that take tools, by name. */
function downloadTemplates(): readonly (readonly [name: string, source: string])[] {
  python(['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', directory, requirement]);
  const wheel = readdirSync(directory).find((file) => file.endsWith('.whl')) ?? '';
  python(['-m', 'zipfile', '-e', join(directory, wheel), directory]);
  const folder = join(directory, 'trl', 'chat_templates');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jinja'))
    .map((name) => [name, readFileSync(join(folder, name), 'utf8')] as const)
    .filter(([, source]) => /\btools\b/.test(source));
}

function python(words: readonly string[]): void {
  const { status, stderr, error } = spawnSync(process.env['PYTHON'] ?? 'python3', words, { encoding: 'utf8' });
  expect(status, `python ${words.join(' ')}: ${error?.message ?? stderr}`).toBe(0);
}

const properties = {
  q: { type: 'string' },
  n: { type: 'integer' },
  x: { type: 'number' },
  flag: { type: 'boolean' },
  list: { type: 'array', items: { type: 'integer' } },
  o: { type: 'object', properties: { a: { type: 'boolean' }, b: { type: 'string' } } },
};
const tools = [
  {
    type: 'function',
    function: { name: 'probe', description: 'A probe.', parameters: { type: 'object', properties } },
  },
  { type: 'function', function: { name: 'other', description: 'O.', parameters: { type: 'object', properties: {} } } },
];
const awkward = {
  q: 'a "b" <c> it\'s\n d\\e </x> 日本 {1}',
  n: 7,
  x: -1.5,
  flag: true,
  list: [1, 2],
  o: { a: false, b: 'y, z' },
};
const calls = [
  { name: 'probe', arguments: awkward },
  { name: 'other', arguments: {} },
] as const;
const user: ChatMessage = { role: 'user', content: 'Question?' };

/** Lets a template write an answer with calls, and reads it. */
function readBack(template: ChatTemplate, given: readonly (typeof calls)[number][]): unknown {
  const format = template.toolCallFormat;
  if (format === undefined) return 'no format';
  const toolCalls = given.map((call, index) => ({
    id: `call0000${index}`,
    type: 'function',
    function: { name: call.name, arguments: JSON.stringify(call.arguments) },
  }));
  const prompt = template.render([user], tools);
  const whole = template.render([user, { role: 'assistant', content: '', tool_calls: toolCalls }], tools);
  const known = [prompt, prompt.trimEnd()].find((text) => whole.startsWith(text));
  const start = known ?? whole.slice(0, whole.lastIndexOf('Question?') + 'Question?'.length);
  const isThinking = known !== undefined && endsInThought(format, known);
  const read = readPieces(createToolCallReader(format, { tools, isThinking }), whole.slice(start.length).split(''));
  return read.calls.map((call) => ({ name: call.name, arguments: JSON.parse(call.arguments) as unknown }));
}

describe('the templates of trl that take tools', () => {
  const templates = downloadTemplates();

  it('are 46', () => expect(templates).toHaveLength(46));

  it.each(templates)('have a format, which reads what they write: %s', (name, source) => {
    const template = new ChatTemplate({ template: source, name }, { bos_token: '<s>', eos_token: '</s>' });
    for (const call of calls) expect(readBack(template, [call])).toEqual([call]);
    // Llama 3 and gpt-oss write one call at a time.
    if (/^(?:llama|gptoss)/.test(name)) return;
    expect(readBack(template, calls)).toEqual(calls);
  });
});
