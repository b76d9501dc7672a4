import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { apo, gepa } from '../src/index.ts';
import { capitalTasks, scriptCritique, sentences } from './capitals/capital-agent.ts';
import { addSentence, agentFile, startCommandSearch } from './capitals/command-search.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const template = 'Name the capital. The country is {{slot1}}.';

async function readBest(runDirectory: string): Promise<string | undefined> {
  const text = await readFile(join(runDirectory, 'model/prompts.json'), 'utf8');
  return (JSON.parse(text) as Record<string, string>)['agent/system'];
}

describe('a search over prompts of a program with the official client of OpenAI', () => {
  it.each([
    ['GEPA', gepa({ prompts: 'found', reflection: addSentence, selectionTasks: 3, minibatch: 2 })],
    ['APO', apo({ prompts: 'found', reflection: scriptCritique(1), beam: 1, branches: 2, minibatch: 2, beamTasks: 2 })],
  ])('is run by %s', async (name, algorithm) => {
    const args = [agentFile('openai-agent.mjs')];
    const { trainer, model, runDirectory, lines, close } = await startCommandSearch(process.execPath, args, algorithm);
    cleanups.push(close);
    const { ok } = await trainer.dev({ tasks: capitalTasks.slice(0, 2), samples: 2 });
    expect([ok, lines.join('\n')]).toEqual([
      true,
      expect.stringContaining(`found the prompt "agent/system": "${template}"`),
    ]);
    const rehearsed = model.received.length;
    const { spend } = await trainer.fit({ train: capitalTasks.slice(0, 6), steps: 2 });
    const best = await readBest(runDirectory);
    expect(best?.startsWith('Name the capital.')).toBe(true);
    expect(best).toContain('{{slot1}}');
    if (name === 'GEPA') expect(best).toBe(`${template} ${sentences.slice(0, 2).join(' ')}`);
    const texts = new Set(model.received.map(({ system }) => system.replace(/is \w+\./u, 'is {{slot1}}.')));
    expect(texts.size).toBeGreaterThan(1);
    expect(spend.parts.agent.calls).toBe(model.received.length - rehearsed);
    expect(spend.parts.agent.withoutUsage).toBe(0);
  });
});
