import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { gepa } from '../src/index.ts';
import { capitalTasks, sentences } from './capitals/capital-agent.ts';
import { addSentence, agentFile, ownKey, startCommandSearch } from './capitals/command-search.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const template = 'Name the capital. The country is {{slot1}}.';
const settings = { prompts: { findTasks: 2 }, reflection: addSentence, selectionTasks: 2, minibatch: 2 };

describe('a search over prompts of an agent in another process', () => {
  it('finds and improves them through the gateway, with the agent’s own model behind it', async () => {
    const { trainer, model, runDirectory, lines, close } = await startCommandSearch(
      process.execPath,
      [agentFile('command-agent.mjs')],
      gepa(settings),
      { limits: { tokens: 100_000 } },
    );
    cleanups.push(close);
    const train = capitalTasks.slice(0, 4);
    const { spend } = await trainer.fit({ train, steps: 1 });
    expect(lines.join('\n')).toContain(`found the prompt "agent/system": "${template}"`);
    const best = JSON.parse(await readFile(join(runDirectory, 'model/prompts.json'), 'utf8')) as Record<string, string>;
    expect(best['agent/system']).toBe(`${template} ${sentences[0]}`);
    const systems = model.received.map(({ system, question, authorization }) => {
      const [, country] = /capital of (.*)\?/.exec(question)!;
      expect([authorization, system.includes(`is ${country}.`)]).toEqual([`Bearer ${ownKey}`, true]);
      return system.replace(`is ${country}.`, 'is {{slot1}}.');
    });
    expect(new Set(systems)).toEqual(new Set([template, best['agent/system']]));
    // The gateway alone sees these calls, and counts them.
    const calls = systems.length;
    expect(spend.parts.agent).toMatchObject({ calls, inputTokens: 20 * calls, outputTokens: 5 * calls });
    for (const file of await readdir(runDirectory, { recursive: true, withFileTypes: true })) {
      const bytes = file.isFile() ? await readFile(join(file.parentPath, file.name)) : Buffer.alloc(0);
      expect([file.name, bytes.includes(ownKey)]).toEqual([file.name, false]);
    }
  });

  it('says what to give where no call is seen', async () => {
    const { trainer, close } = await startCommandSearch('none', [], gepa(settings), { rollout: async () => 1 });
    cleanups.push(close);
    await expect(trainer.fit({ train: capitalTasks.slice(0, 4), steps: 1 })).rejects.toMatchObject({
      message: expect.stringContaining('give the Trainer ownModels: { openai: {} }') as string,
    });
  });

  it('refuses servers where agents ask a policy, and a server without a key, before anything runs', async () => {
    const saved = process.env['OPENAI_API_KEY'];
    delete process.env['OPENAI_API_KEY'];
    cleanups.push(() => saved !== undefined && (process.env['OPENAI_API_KEY'] = saved));
    const start = (options: object) => startCommandSearch('none', [], gepa(settings), options);
    await expect(start({ ownModels: { openai: {} } })).rejects.toThrow('OPENAI_API_KEY');
    const weights = { ...gepa(settings), name: 'weights', uses: { backend: true, samplingAhead: false } };
    await expect(start({ algorithm: weights })).rejects.toThrow('weights trains weights, and agents ask the policy');
  });
});
