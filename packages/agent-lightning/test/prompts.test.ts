import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gepa, loadPrompts, promptTemplate, Trainer } from '../src/index.ts';
import { showPlace } from '../src/cli/commands/prompts/place-options.ts';
import { findPromptPlace, readHistory, serveVersion } from '../src/promoted/prompt-place.ts';
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

/** Runs a command with caches of its own. */
async function runWith(...args: string[]) {
  const environment = { AGENT_LIGHTNING_CACHE: join(folder, 'caches') };
  return await runInProcess(['prompts', ...args], { directory: folder, environment });
}

async function run(...args: string[]) {
  const ended = await runWith(...args);
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
    expect((await load()).version).toBe(1);
    expect((await run('list', place, '--json')).json()).toMatchObject({
      current: 1,
      versions: [{ version: 1 }, { version: 2 }],
    });
    await run('rollback', place, '--to-version', '0');
    expect(await load()).toEqual({ version: undefined, resources: {} });
  });

  it.each(['order', 'order.sqlite'])('rolls back to what was served before, in %s', async (place) => {
    if (place.endsWith('.sqlite')) await (await openSqliteStore({ path: join(folder, place) })).close();
    const current = async () => (await readHistory(findPromptPlace(place, folder, undefined))).current;
    await run('promote', 'run', '--to', place);
    await run('promote', 'run', '--to', place);
    await run('rollback', place);
    await run('promote', 'run', '--to', place);
    await run('rollback', place);
    expect(await current()).toBe(1);
    if (place !== 'order') return; // a store opens slowly, and the rest is the same
    await run('rollback', place, '--to-version', '2');
    await run('rollback', place);
    expect(await current()).toBe(1);
    await run('rollback', place);
    expect(await current()).toBeUndefined();
  });

  it('keeps two promotions at once apart', async () => {
    const version = (run: string) => {
      return { version: 1, promotedAt: '2030-01-01T00:00:00Z', run, texts: { greet: run }, before: {}, found: [] };
    };
    const before = { format: 1, versions: [], files: [] } as const;
    const path = join(folder, 'twice.sqlite');
    const store = { kind: 'store', store: { kind: 'sqlite', path } } as const;
    expect((await serveVersion(store, before, version('a'), [])).number).toBe(1);
    expect((await serveVersion(store, before, version('b'), [])).number).toBe(2);
    expect(await readHistory(store)).toMatchObject({
      current: 2,
      versions: [version('a'), { ...version('b'), version: 2 }],
      servedBefore: [1],
    });
    const opened = await openSqliteStore({ path });
    expect((await loadPrompts(opened).finally(() => opened.close())).version).toBe(2);

    const directory = { kind: 'directory', path: join(folder, 'twice') } as const;
    await serveVersion(directory, before, version('a'), []);
    await expect(serveVersion(directory, before, version('b'), [])).rejects.toThrow('run this one again');
    expect((await readHistory(directory)).versions).toEqual([version('a')]);
  });

  it('lets two commands at once promote to one directory one after the other', async () => {
    const shared = ['--to', 'at-once'];
    const ended = await Promise.all(Array.from({ length: 4 }, () => run('promote', 'run', ...shared, '--json')));
    expect(ended.map((end) => end.json()['version']).toSorted()).toEqual([1, 2, 3, 4]);
    const { versions, current, servedBefore } = await readHistory({ kind: 'directory', path: join(folder, 'at-once') });
    expect([versions.map(({ version }) => version), current, servedBefore]).toEqual([[1, 2, 3, 4], 4, [1, 2, 3]]);
    await Promise.all([run('promote', 'run', ...shared), run('rollback', 'at-once')]);
    const after = await readHistory({ kind: 'directory', path: join(folder, 'at-once') });
    // In either order: promoted and rolled back to 4, or rolled back to 3 and promoted.
    expect([after.versions.length, [4, 5].includes(after.current!)]).toEqual([5, true]);
  });

  it('locks a directory in the caches of the user', async () => {
    await run('promote', 'run', '--to', 'locked');
    expect(await readdir(join(folder, 'caches'))).toEqual(['locks']);
    await writeFile(join(folder, 'no-folder'), '');
    const environment = { AGENT_LIGHTNING_CACHE: join(folder, 'no-folder') };
    const refused = await runInProcess(['prompts', 'promote', 'run'], { directory: folder, environment });
    expect(refused.complaints).toContain('in AGENT_LIGHTNING_CACHE');
  });

  it('leaves the files of the user alone', async () => {
    const place = join(folder, 'own');
    await mkdir(place);
    await writeFile(join(place, 'greet.md'), 'mine');
    const refused = await runWith('promote', 'run', '--to', 'own');
    expect(refused.complaints).toContain('did not write: greet.md; move them, or name another directory');
    expect(await readFile(join(place, 'greet.md'), 'utf8')).toBe('mine');
    expect(await readdir(place)).toEqual(['greet.md']);
  });

  it('shows a URL without its password', () => {
    const shown = (name: string) => showPlace(findPromptPlace(name, folder, undefined), name);
    expect(shown('postgres://user:SECRET@db.example:5433/app?password=SECRET')).toBe('postgres://db.example:5433/app');
    expect(shown('postgresql://user:SECRET@a:1,b:2/app')).not.toContain('SECRET');
    expect(shown('prompts')).toBe('prompts');
  });

  it('promotes nothing to a store that is not there, and nothing of a control run', async () => {
    expect((await runWith('promote', 'run', '--to', 'missing.sqlite')).complaints).toContain('there is no store');
    await cp(join(folder, 'run', 'model'), join(folder, 'control', 'model'), { recursive: true });
    const record = JSON.parse(await readFile(join(folder, 'run/run.json'), 'utf8')) as { config: object };
    const config = { ...record.config, control: 'shuffled' };
    await writeFile(join(folder, 'control', 'run.json'), JSON.stringify({ ...record, config }));
    expect((await runWith('promote', 'control', '--to', 'controlled')).complaints).toContain('is a control run');
    expect((await readdir(folder)).filter((name) => /^(missing|controlled)/.test(name))).toEqual([]);
  });

  it('says what is missing', async () => {
    expect((await runWith('promote', '.')).complaints).toContain('is no run directory');
    expect((await runWith('list', 'nowhere')).complaints).toContain('the directory of prompts must be a directory');
    await run('promote', 'run', '--to', 'other');
    expect((await runWith('diff', 'other', '--promoted', '7')).complaints).toContain(
      'there is no version 7; there are: 1',
    );
    expect((await runWith('export', 'other', '--output', 'run')).complaints).toContain('is there already');
  });
});
