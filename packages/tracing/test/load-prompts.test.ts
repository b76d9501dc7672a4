import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryStore } from '@agent-lightning/store';
import { afterEach, describe, expect, it } from 'vitest';
import {
  agentOptions,
  currentRollout,
  emitReward,
  FrameworkRuns,
  isLive,
  loadPrompts,
  promptKit,
  promptTemplate,
  type AgentOptions,
} from '../src/index.ts';
import { startRollout } from './test-rollout.ts';

type LoadedPrompts = NonNullable<AgentOptions['prompts']>;

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function createFolder(promoted?: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'promoted-'));
  folders.push(folder);
  if (promoted !== undefined) await writeFile(join(folder, promptKit.promotedFile), promoted);
  return folder;
}

const served: LoadedPrompts = { version: 3, resources: promptKit.toPromptResources([], { greet: 'Hi, {{name}}!' }) };
const greet = () => promptTemplate('greet', 'Hello, {{name}}.', { prompts: served });

describe('loadPrompts', () => {
  it('gives nothing to serve where nothing was promoted', async () => {
    const nothing = { version: undefined, resources: {} };
    expect(await loadPrompts(await createFolder())).toEqual(nothing);
    expect(await loadPrompts(new MemoryStore())).toEqual(nothing);
  });

  it.each([
    '{',
    '{"format":2}',
    '{"format":1,"versions":[{"texts":{"a":7},"found":[]}]}',
    '{"format":1,"versions":[{"texts":{},"found":[{"name":"x"}]}]}',
  ])('refuses a file that is none of ours: %s', async (text) => {
    await expect(loadPrompts(await createFolder(text))).rejects.toMatchObject({ code: 'option-invalid' });
  });

  it('refuses a place that is none', async () => {
    await expect(loadPrompts('/nowhere/at/all')).rejects.toMatchObject({ code: 'option-invalid' });
    await expect(loadPrompts({} as MemoryStore)).rejects.toMatchObject({ code: 'option-invalid' });
    const promise = loadPrompts(new MemoryStore()) as unknown as LoadedPrompts;
    expect(() => agentOptions({ prompts: promise })).toThrow('await loadPrompts(…)');
  });
});

describe('a promoted prompt', () => {
  it('is rendered outside rollouts, and in one that is trained the version of the rollout', async () => {
    expect(greet().render({ name: 'Ada' })).toBe('Hi, Ada!');
    const rollout = await startRollout();
    expect(rollout.run(() => greet().render({ name: 'Ada' }))).toBe('Hello, Ada.');
  });

  it('is refused at the start when the code has other variables by now', () => {
    expect(() => promptTemplate('greet', 'Hello, {{person}}.', { prompts: served })).toThrow('{{person}}');
  });
});

describe('an agent that serves prompts', () => {
  it('is followed outside rollouts, renders what is promoted, keeps nothing, and is left alone where there is nothing to serve', async () => {
    const runs = new FrameworkRuns<undefined>();
    const plain = promptTemplate('greet', 'Hello, {{name}}.');
    const work = async (): Promise<readonly [boolean | undefined, string]> => {
      await Promise.resolve();
      emitReward(1);
      const scope = currentRollout();
      return [scope && isLive(scope), plain.render({ name: 'Ada' })];
    };
    expect(await runs.serve([{ prompts: served }], work)).toEqual([true, 'Hi, Ada!']);
    expect(await runs.serve([{ prompts: { version: undefined, resources: {} } }], work)).toEqual([
      undefined,
      'Hello, Ada.',
    ]);
    expect(await runs.serve([{}], work)).toEqual([undefined, 'Hello, Ada.']);
    const other = promptTemplate('greet', 'Hello.');
    expect(runs.serve([{ prompts: served }], () => other.render())).toBe('Hello.');
  });

  it('is forgotten when its run ends, and has the innermost prompts', () => {
    const runs = new FrameworkRuns<undefined>();
    const inner: LoadedPrompts = { version: 1, resources: promptKit.toPromptResources([], { greet: 'Yo, {{name}}!' }) };
    const wrappers = [{ prompts: inner }, { prompts: served }];
    const describe = () => ({ span: { kind: 'agent', name: 'a' }, names: ['a'], detail: undefined }) as const;
    runs.begin({ id: 'a', wrappers, describe });
    const scope = runs.get('a')?.scope;
    expect(runs.inside('a', () => greet().render({ name: 'Ada' }))).toBe('Yo, Ada!');
    runs.end('a');
    expect([runs.size, scope?.recorder.closed]).toEqual([0, true]);
    runs.begin({ id: 'b', wrappers: [{}], describe });
    expect(runs.get('b')).toBeUndefined();
  });
});
