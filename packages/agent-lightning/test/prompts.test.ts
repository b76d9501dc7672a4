import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gepa, loadPrompts, promptTemplate, Trainer } from '../src/index.ts';
import { runInProcess } from './run-in-process.ts';

const text = 'Say hello to {{name}}.';
let folder: string;
afterAll(() => rm(folder, { recursive: true, force: true }));
// One real search: its reflection model adds a sentence that the reward asks for.
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prompts-'));
  const greet = promptTemplate('greet', text);
  const trainer = new Trainer<{ readonly name: string }, object>({
    algorithm: gepa({
      prompts: [greet],
      reflection: () => Promise.resolve(`<new_prompt>${text} Be kind.</new_prompt>`),
    }),
    rollout: (task) => (greet.render(task).includes('Be kind.') ? 1 : 0),
    progress: 'none',
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    handleSignals: false,
    runDirectory: join(folder, 'run'),
  });
  await trainer.fit({ train: [{ name: 'Ada' }, { name: 'Max' }], steps: 1 });
});

async function run(...args: string[]) {
  const ended = await runInProcess(['prompts', ...args], { directory: folder });
  expect(ended.complaints).toBe('');
  expect(ended.exitCode).toBe(0);
  return ended;
}

describe('agent-lightning prompts', () => {
  it('lists the candidates of a run', async () => {
    const { output } = await run('list', 'run');
    expect(output).toContain('The best ones: score 1.000 (before 0.000), of greet');
    expect((await run('list', 'run', '--json')).json()['candidates']).toHaveLength(2);
  });

  it('promotes, shows what it changes, rolls back and exports', async () => {
    const prompts = join(folder, 'prompts');
    await run('promote', 'run');
    expect((await readdir(prompts)).toSorted()).toEqual(['greet.md', 'promoted.json']);
    expect(await readFile(join(prompts, 'greet.md'), 'utf8')).toBe(
      `---\nprompt: "greet"\nscore: 1.000\nscore before: 0.000\n---\n\n${text} Be kind.\n`,
    );
    expect((await run('diff')).output).toContain(`-${text}\n+${text} Be kind.\n`);
    const greet = async () =>
      promptTemplate('greet', text, { prompts: await loadPrompts(prompts) }).render({ name: 'Eve' });
    expect(await greet()).toBe('Say hello to Eve. Be kind.');

    await run('promote', 'run');
    expect((await run('list')).output).toMatch(/^ {2}1 .*\n\* 2 /);
    expect((await run('diff', '--promoted', '2', '--against', '1')).output).toBe('Nothing is changed.\n');
    await run('rollback');
    expect((await loadPrompts(prompts)).version).toBe(1);
    await run('rollback', '--to-version', '0');
    expect(await loadPrompts(prompts)).toEqual({ version: undefined, resources: {} });
    expect(await readdir(prompts)).toEqual(['promoted.json']);
    expect(await greet()).toBe('Say hello to Eve.');
    await run('export', '--promoted', '2', '--output', 'texts');
    expect(JSON.parse(await readFile(join(folder, 'texts/prompts.json'), 'utf8'))).toEqual({
      greet: `${text} Be kind.`,
    });
  });

  it('does the same in a store', async () => {
    const place = join('run', 'store.sqlite');
    await run('promote', 'run', '--to', place);
    await run('promote', 'run', '--to', place);
    const load = async () => {
      const store = await openSqliteStore({ path: join(folder, place) });
      return await loadPrompts(store).finally(() => store.close());
    };
    expect((await load()).resources['greet']).toMatchObject({ template: `${text} Be kind.` });
    await run('rollback', place);
    expect((await run('list', place, '--json')).json()).toMatchObject({
      current: 1,
      versions: [{ version: 1 }, { version: 2 }],
    });
    await run('rollback', place, '--to-version', '0');
    expect(await load()).toEqual({ version: undefined, resources: {} });
  });

  it('says what is missing', async () => {
    const fail = async (...args: string[]) => await runInProcess(['prompts', ...args], { directory: folder });
    expect((await fail('promote', '.')).complaints).toContain('is no run directory');
    expect((await fail('list', 'nowhere')).complaints).toContain('the directory of prompts must be a directory');
    await run('promote', 'run', '--to', 'other');
    expect((await fail('diff', 'other', '--promoted', '7')).complaints).toContain(
      'there is no version 7; there are: 1',
    );
    expect((await fail('export', 'other', '--output', 'run')).complaints).toContain('is there already');
  });
});
