/** Reads the answers of every format, whole and cut in every way, and compares with what vLLM reads. */
import { readdirSync, readFileSync } from 'node:fs';

import type { JsonValue, ToolCallFormat } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createToolCallReader, type ToolCallReaderOptions } from '../src/index.ts';
import { formats } from '../src/tool-calls/formats.ts';
import { readPieces } from './read-pieces.ts';

interface Result {
  readonly content: string;
  readonly thought: string;
  readonly calls: readonly { readonly name: string; readonly arguments: string }[];
}

interface Case {
  readonly name: string;
  readonly output: string;
  readonly isThinking?: boolean;
  readonly read: Result;
  /** Recorded by tools/reference/record_tool_calls.py; absent for formats that vLLM has no parser for. */
  readonly vllm?: Result;
  /** Says why the reading is not vLLM's. */
  readonly differs?: string;
}

interface Fixture {
  readonly format: ToolCallFormat;
  readonly tools: readonly JsonValue[];
  readonly cases: readonly Case[];
}

const directory = new URL('__fixtures__/tool-calls/', import.meta.url);
const fixtures = readdirSync(directory).map(
  (name) => JSON.parse(readFileSync(new URL(name, directory), 'utf8')) as Fixture,
);

it('has answers for every format', () => {
  expect(fixtures.map(({ format }) => format).sort()).toEqual(Object.keys(formats).sort());
});

describe.each(fixtures)('$format answers', ({ format, tools, cases }) => {
  const read = (pieces: readonly string[], { isThinking = false }: Case, more: ToolCallReaderOptions = {}): Result =>
    readPieces(createToolCallReader(format, { tools, isThinking, ...more }), pieces);

  it.each(cases)('give text, thought and calls: $name', (answer) => {
    expect(read([answer.output], answer)).toEqual(answer.read);
  });

  it.each(cases.filter(({ vllm }) => vllm !== undefined))('are read as by vLLM, or say why not: $name', (answer) => {
    const [ours, theirs] = [comparable(answer.read), comparable(answer.vllm as Result)];
    if (answer.differs === undefined) expect(ours).toEqual(theirs);
    else expect(ours, `the reason "${answer.differs}" is no longer true`).not.toEqual(theirs);
  });

  it('read the same however they are cut', () => {
    for (const answer of cases) {
      expect(read(answer.output.split(''), answer), answer.name).toEqual(answer.read);
      for (let at = 1; at < answer.output.length; at += 1)
        expect(read([answer.output.slice(0, at), answer.output.slice(at)], answer), answer.name).toEqual(answer.read);
    }
    fc.assert(
      fc.property(fc.constantFrom(...cases), fc.array(fc.nat(9), { maxLength: 60 }), (answer, sizes) => {
        expect(read(cut(answer.output, sizes), answer)).toEqual(answer.read);
      }),
    );
  });

  it('keep thoughts in tags in the content when they are asked to, and read the same calls', () => {
    for (const answer of cases) {
      const { content, thought, calls } = read([answer.output], answer, { thinkTags: 'content' });
      expect(calls).toEqual(answer.read.calls);
      if (thought === '') expect(content).toContain(answer.read.thought.trimEnd());
      else expect({ content, thought }).toEqual({ content: answer.read.content, thought: answer.read.thought });
    }
  });
});

/** Cuts a text into pieces of the given lengths, and the rest. */
function cut(text: string, sizes: readonly number[]): string[] {
  const pieces: string[] = [];
  let at = 0;
  for (const size of sizes) pieces.push(text.slice(at, (at += size)));
  return [...pieces, text.slice(at)];
}

/** Leaves out what vLLM writes in its own way: blanks around texts, and the spacing and digits of JSON. */
function comparable({ content, thought, calls }: Result): unknown {
  return {
    content: content.trim(),
    thought: thought.trim(),
    calls: calls.map((call) => ({ name: call.name, arguments: parse(call.arguments) })),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { broken: text };
  }
}
