import { StoreError } from '@agent-lightning/core';
import { promptTemplate, type AskModel } from '@agent-lightning/tracing';
import { describe, expect, it } from 'vitest';
import type { AskingHost as Host } from './ask-once.ts';
import { critiqueAndEdit } from './critique-and-edit.ts';
import { reflect, type ReflectionRequest } from './reflect.ts';

const prompt = promptTemplate('write', 'Write.\n');
const request: ReflectionRequest = {
  purpose: 's1.p0',
  prompts: [prompt],
  texts: { write: prompt.text },
  components: ['write'],
  examples: [],
  guidance: undefined,
};
const { signal } = new AbortController();
const emptyHost: Host = { findResources: async () => undefined, putResources: async () => {}, signal };
const fail = (error: Error) => async (): Promise<never> => await Promise.reject(error);

describe.each([
  ['reflect', async (host: Host, ask: AskModel) => await reflect(host, ask, request)],
  [
    'critiqueAndEdit',
    async (host: Host, ask: AskModel) => await critiqueAndEdit(host, { critique: ask, edit: ask }, request),
  ],
] as const)('%s', (_, run) => {
  it('returns the error of its model, and throws that of the store', async () => {
    const down = new Error('quota exceeded');
    expect(await run(emptyHost, fail(down))).toEqual({ kind: 'failed', error: down });
    const closed = new StoreError('the store is closed', { code: 'store-unavailable' });
    const answer = async (): Promise<string> => 'Write well.';
    await expect(run({ ...emptyHost, putResources: fail(closed) }, answer)).rejects.toBe(closed);
    await expect(run({ ...emptyHost, findResources: fail(closed) }, answer)).rejects.toBe(closed);
  });

  it('waits for no model when the run ends, and takes no error of that for one of the model', async () => {
    const ending = new AbortController();
    const asked: (AbortSignal | undefined)[] = [];
    const silent = (_request: string, given?: AbortSignal): Promise<string> => {
      asked.push(given);
      ending.abort();
      return new Promise(() => {});
    };
    const host = { ...emptyHost, signal: ending.signal };
    await expect(run(host, silent)).rejects.toMatchObject({ code: 'cancelled' });
    expect(asked).toEqual([ending.signal]);
    await expect(run(host, fail(new Error('aborted')))).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('takes a text that differs in white space alone for the old one', async () => {
    expect(await run(emptyHost, async () => '<new_prompt>Write.</new_prompt>')).toEqual({
      kind: 'rejected',
      reason: 'the new text is the old one',
    });
  });
});
