import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { loadText } from '../src/index.ts';
import { template, tokenizerJson } from './tiny-text.ts';

let directory: string;
const write = (name: string, content: unknown): Promise<void> =>
  writeFile(join(directory, name), typeof content === 'string' ? content : JSON.stringify(content));
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'text-'));
  await write('tokenizer.json', tokenizerJson);
  await write('tokenizer_config.json', { eos_token: '<|end|>', chat_template: template });
});
afterEach(() => rm(directory, { recursive: true }));

describe('loadText', () => {
  it('reads the tokenizer and the chat template of a directory without weights', async () => {
    const { tokenizer, chatTemplate } = await loadText(directory);
    expect(chatTemplate?.render([{ role: 'user', content: 'hi' }])).toBe('<|user|>hi<|end|><|assistant|>');
    expect(tokenizer.decode(tokenizer.encode('naïve', false))).toBe('naïve');
  });

  it('prefers a chat_template.jinja', async () => {
    await write('chat_template.jinja', 'from the file');
    expect((await loadText(directory)).chatTemplate?.render([])).toBe('from the file');
  });

  it('takes the end tokens of generation_config.json, then config.json, then the tokenizer', async () => {
    expect((await loadText(directory)).eosTokenIds).toEqual([0]);
    await write('config.json', { eos_token_id: 2 });
    expect((await loadText(directory)).eosTokenIds).toEqual([2]);
    await write('generation_config.json', { eos_token_id: [1, 2] });
    expect((await loadText(directory)).eosTokenIds).toEqual([1, 2]);
    await write('generation_config.json', { eos_token_id: null });
    expect((await loadText(directory)).eosTokenIds).toEqual([2]);
  });

  it('names end tokens that are none', async () => {
    await write('config.json', { eos_token_id: '</s>' });
    await expect(loadText(directory)).rejects.toMatchObject({
      code: 'checkpoint-corrupt',
      message: expect.stringContaining('eos_token_id "</s>"'),
    });
  });

  it('says what is missing, and what is broken', async () => {
    await write('config.json', '[');
    await expect(loadText(directory)).rejects.toThrow(/config.json: it is not JSON/);
    await rm(join(directory, 'tokenizer.json'));
    await expect(loadText(directory)).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringContaining('has no tokenizer.json'),
    });
  });
});
