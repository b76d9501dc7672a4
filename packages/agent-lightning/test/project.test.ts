import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCheckpoint, trainBytePairTokenizer } from '@agent-lightning/embedded';
import { startModelServer, tinyModel } from '@agent-lightning/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineConfig } from '../src/index.ts';
import { runInProcess, type CommandEnd } from './run-in-process.ts';

const fixtures = join(import.meta.dirname, '__fixtures__');
let folder: string;
let model: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'agent-lightning-'));
  model = join(folder, 'model');
  await createCheckpoint({ ...tinyModel, directory: model, tokenizer: trainBytePairTokenizer(tinyModel.tokenizer) });
});
afterAll(() => rmSync(folder, { recursive: true }));

const onLetters = async (...args: string[]): Promise<CommandEnd> =>
  await runInProcess([...args, '--json'], { directory: join(fixtures, 'letters') });

describe('train', () => {
  it('trains, goes on where it stopped, and evaluates what came out', async () => {
    const run = join(folder, 'run');
    const first = await onLetters(
      'train',
      '--model',
      model,
      '--steps',
      '1',
      '--run-directory',
      run,
      '--algorithm',
      'bold',
    );
    expect(first.exitCode, first.complaints).toBe(0);
    expect(first.json()).toMatchObject({ stopReason: 'completed', steps: 1, runDirectory: run });
    expect(existsSync(join(run, 'model', 'config.json'))).toBe(true);
    const refused = await onLetters('train', '--model', model, '--steps', '2', '--resume', run);
    expect(refused).toMatchObject({ exitCode: 1 });
    expect(refused.json()).toMatchObject({ error: { code: 'resume-mismatch' } });
    const second = await onLetters('train', '--model', model, '--steps', '2', '--resume', run, '--algorithm', 'bold');
    expect(second.json()).toMatchObject({ stopReason: 'completed', steps: 2 });

    const compared = await onLetters('eval', '--model', model, '--of', run, '--against', 'base', '--samples', '2');
    expect(compared.json(), compared.complaints).toMatchObject({
      agent: `${run} with ${model}`,
      tasks: 4,
      against: { agent: 'base', tasks: 4 },
      verdict: { tasks: 4, baseline: { rollouts: 8 }, candidate: { rollouts: 8 } },
    });
  });

  it('leaves a run that report, store and export read', async () => {
    const run = join(folder, 'run');
    const report = await onLetters('report', run);
    expect(report.json()).toMatchObject({
      directory: run,
      steps: 2,
      rollouts: 16,
      failed: 0,
      curve: [{ step: 1 }, { step: 2 }],
    });
    const both = await runInProcess(['report', run, run]);
    expect(both.output).toMatch(/2 steps, 16 rollouts[^]*held-out reward: 0\.\d+ before[^]*\n\n/);

    const list = await onLetters('store', 'query', run, '--mode', 'train', '--limit', '3');
    expect(list.json()).toMatchObject({
      rollouts: [{ status: 'succeeded', reward: expect.any(Number) }, {}, {}],
      nextCursor: expect.any(String),
    });
    const { rolloutId } = (list.json()['rollouts'] as { rolloutId: string }[])[0]!;
    const shown = await runInProcess(['store', 'query', run, '--rollout', rolloutId]);
    expect(shown.output).toMatch(/^one rollout as it went[^]*\n {2}user: [a-f]\n {2}assistant: /);
    expect(await onLetters('store', 'query', run, '--rollout', 'gone')).toMatchObject({ exitCode: 2 });
    expect((await onLetters('store', 'check', run)).json()).toMatchObject({ ok: true, problems: [] });
    expect((await onLetters('store', 'migrate', run)).json()).toMatchObject({ migrated: false });

    const everything = join(folder, 'all.jsonl');
    const exported = await onLetters('store', 'export', run, '--output', everything);
    const lines = readFileSync(everything, 'utf8').trim().split('\n');
    expect(exported.json()).toMatchObject({ rollouts: lines.length });
    const [first] = lines.map((line) => JSON.parse(line) as { spans: { tokens?: { response: number[] } }[] });
    expect(first!.spans.some(({ tokens }) => Array.isArray(tokens?.response))).toBe(true);

    const best = join(folder, 'best.jsonl');
    const sft = await onLetters('export', 'sft', run, '--mode', 'train', '--min-reward', '0.5', '--output', best);
    const rows = readFileSync(best, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
    const { rows: count, leftOut } = sft.json() as { rows: number; leftOut: { reward: number; truncated: number } };
    expect([rows.length, count + leftOut.reward + leftOut.truncated]).toEqual([count, 16]);
    expect(JSON.parse(rows[0]!)).toEqual({
      messages: [{ role: 'user', content: expect.any(String) }, expect.objectContaining({ role: 'assistant' })],
    });

    const output = join(folder, 'models', 'exported');
    expect((await onLetters('export', 'model', run, '--output', output)).json()).toMatchObject({ output });
    expect(readdirSync(output)).toEqual(readdirSync(join(run, 'model')));
    expect((await onLetters('export', 'model', run, '--output', output)).json()).toMatchObject({
      error: { message: expect.stringContaining('there already') },
    });
    expect((await onLetters('dev', '--model', output, '--tasks', '1', '--samples', '2')).json()).toMatchObject({
      succeeded: 2,
    });
  });

  it('stops by a signal with exit code 130', async () => {
    const run = join(folder, 'stopped');
    const end = await runInProcess(['train', '--model', model, '--steps', '9', '--run-directory', run, '--json'], {
      directory: join(fixtures, 'letters'),
      signal: AbortSignal.abort('SIGINT'),
    });
    expect(end.json()).toMatchObject({ stopReason: 'interrupted', steps: 0 });
    expect(end.exitCode).toBe(130);
  });

  it('runs the control experiment, which a training without it does not go on with', async () => {
    const run = join(folder, 'control');
    const train = ['train', '--model', model, '--steps', '1', '--algorithm', 'bold'];
    const end = await onLetters(...train, '--control', 'shuffled', '--run-directory', run);
    expect(end.json(), end.complaints).toMatchObject({ stopReason: 'completed', steps: 1 });
    const mismatch = await onLetters(...train, '--resume', run);
    expect(mismatch.json()).toMatchObject({
      error: { code: 'resume-mismatch', message: expect.stringContaining('control') },
    });
    expect(await onLetters(...train, '--control', 'random')).toMatchObject({ exitCode: 2 });
  });

  it('refuses what does not fit together, and an algorithm that is not there', async () => {
    expect(await onLetters('train', '--resume', 'a', '--run-directory', 'b')).toMatchObject({ exitCode: 2 });
    expect(await onLetters('train', '--steps', '1', '--epochs', '1')).toMatchObject({ exitCode: 2 });
    expect(await onLetters('train', '--steps', '0')).toMatchObject({ exitCode: 2 });
    const wrong = await onLetters('train', '--algorithm', 'ppo');
    expect(wrong.json()).toMatchObject({ error: { message: expect.stringContaining('grpo, bold') } });
    const inherited = await onLetters('train', '--algorithm', 'constructor');
    expect(inherited.json()).toMatchObject({
      error: { code: 'option-invalid', message: expect.stringContaining('grpo, bold') },
    });
  });

  it('refuses a model that no backend would get', async () => {
    const refusal = async (...args: string[]): Promise<readonly [number, unknown]> => {
      const { exitCode, json } = await onLetters(...args);
      return [exitCode, (json()['error'] as { message: string }).message];
    };
    const ofOwn = ['eval', '--of', 'own'];
    const unused = expect.stringContaining('own is the model that the agent asks');
    expect(await refusal(...ofOwn, '--against-model', './gone')).toEqual([2, unused]);
    expect(await refusal(...ofOwn, '--model', './gone')).toEqual([2, unused]);
    expect(await refusal(...ofOwn, '--model', './gone', '--against', 'own')).toEqual([2, unused]);
    expect(await refusal(...ofOwn, '--model', './gone', '--against', 'before.json')).toEqual([2, unused]);
    const searching = join(folder, 'searching');
    mkdirSync(searching);
    writeFileSync(
      join(searching, 'lightning.config.mjs'),
      `import { defineConfig, gepa, promptTemplate } from ${JSON.stringify(import.meta.resolve('agent-lightning'))};
      export default defineConfig({ rollout: () => 1, train: [1], backend: () => null, 
        algorithm: gepa({ prompts: [promptTemplate('answer', 'Answer')], reflection: async () => 'Answer' }) });`,
    );
    for (const command of ['dev', 'train', 'eval']) {
      const { exitCode, json, complaints } = await runInProcess([command, '--model', './b', '--json'], {
        directory: searching,
      });
      expect([exitCode, json()], complaints).toEqual([
        1,
        { error: { code: 'option-invalid', message: expect.stringContaining('gepa uses no backend') } },
      ]);
    }
    const dev = await runInProcess(['dev', '--json'], { directory: searching });
    expect(dev.json(), dev.complaints).toMatchObject({ models: 'own' });
  });
});

describe('dev and eval', () => {
  it('says of a policy whether it can be trained', async () => {
    const end = await onLetters('dev', '--model', model, '--tasks', '2');
    expect(end.json(), end.complaints).toMatchObject({ ok: true, rollouts: 8, models: 'policy' });
    expect(end.exitCode).toBe(0);
    expect(end.complaints).toContain('one rollout as it went');
  });

  it('measures by kind, keeps the rewards, and compares with them on the same tasks only', async () => {
    const file = join(folder, 'before.json');
    const kept = await onLetters('eval', '--model', model, '--samples', '2', '--save', file);
    expect(kept.json()).toMatchObject({
      agent: `base with ${model}`,
      heldOut: true,
      tasks: 4,
      rollouts: 8,
      failed: 0,
      byKind: { early: { tasks: 2 }, late: { tasks: 2 } },
    });
    const again = await onLetters('eval', '--model', model, '--samples', '2', '--against', file);
    expect(again.json()).toMatchObject({ verdict: { answer: 'cannot-tell', gain: 0 } });
    expect(again.exitCode).toBe(4);
    const others = await onLetters('eval', '--model', model, '--tasks', '2', '--against', file);
    expect(others.json()).toMatchObject({
      error: { code: 'option-invalid', message: expect.stringContaining('other tasks') },
    });
  });

  it('runs an agent of a framework on its own model, without a backend', async () => {
    await using server = await startModelServer({ respond: (_, { index }) => (index % 2 === 0 ? 'one' : 'two') }).then(
      (started) => ({ ...started, baseUrl: started.baseUrl, [Symbol.asyncDispose]: () => started.close() }),
    );
    process.env['TEST_MODEL_URL'] = server.baseUrl;
    try {
      const directory = join(fixtures, 'own-model');
      const dev = await runInProcess(['dev', '--json'], { directory });
      expect(dev.json(), dev.complaints).toMatchObject({
        ok: true,
        models: 'own',
        ownCalls: [{ model: 'gpt-4o-mini', calls: 8, failed: 0 }],
      });
      const measured = await runInProcess(['eval'], { directory });
      expect(measured).toMatchObject({
        exitCode: 0,
        output: expect.stringMatching(/^on the tasks to train on, not on held-out ones:\nown: reward 0\.\d+ \(/),
        complaints: expect.stringContaining('the config has no validation'),
      });
      expect((await runInProcess(['eval', '--json'], { directory })).json()).toMatchObject({ heldOut: false });
      for (const command of ['dev', 'eval'])
        expect(await runInProcess([command, '--model', './gone'], { directory })).toMatchObject({
          exitCode: 2,
          complaints: expect.stringContaining('--model ./gone is for the backend'),
        });
      const refused = await runInProcess(['train'], { directory });
      expect(refused).toMatchObject({
        exitCode: 1,
        complaints: expect.stringContaining('a training backend for grpo'),
      });
    } finally {
      delete process.env['TEST_MODEL_URL'];
    }
  });

  it('loads a config of CommonJS, and ends with exit code 3 where the agent is not ready', async () => {
    const end = await runInProcess(['dev', '--json'], { directory: join(fixtures, 'commonjs') });
    expect(end.exitCode).toBe(3);
    expect(end.json()).toMatchObject({
      ok: false,
      findings: [expect.stringContaining('withLightning'), expect.any(String)],
    });
  });
});

describe('a config file', () => {
  const loadWith = async (name: string, text: string): Promise<string> => {
    const directory = mkdtempSync(join(folder, 'config-'));
    writeFileSync(join(directory, name), text);
    return (await runInProcess(['dev'], { directory })).complaints;
  };

  it('is asked for where there is none, or more than one', async () => {
    expect((await runInProcess(['dev'], { directory: folder })).complaints).toMatch(
      /there is no lightning\.config\.ts/,
    );
    const directory = mkdtempSync(join(folder, 'config-'));
    for (const ending of ['js', 'mjs']) writeFileSync(join(directory, `lightning.config.${ending}`), '');
    expect((await runInProcess(['dev'], { directory })).complaints).toMatch(/there are several config files/);
    expect((await runInProcess(['dev', '--config', 'x.ts'], { directory })).complaints).toMatch(
      /there is no file .*x\.ts/,
    );
  });

  it.each([
    ['lightning.config.mjs', 'export const a = 1;', /the default export of .* must be what defineConfig/],
    ['lightning.config.mjs', 'export default { train: [] }', /rollout must be the function/],
    ['lightning.config.mjs', 'export default { rollout() {} }', /train must be an array of tasks/],
    ['lightning.config.mjs', "import './gone.mjs'", /cannot be loaded: .*gone\.mjs/],
    ['lightning.config.mjs', "throw new RangeError('no key')", /cannot be loaded: no key/],
    ['lightning.config.mjs', 'export default { rollout() {}, train: [1], runner: 3 }', /runner/],
  ])('that is wrong is told: %s with %s', async (name, text, complaint) => {
    expect(await loadWith(name, text)).toMatch(complaint);
  });

  it('has the type of its tasks in rollout', () => {
    defineConfig({
      train: [{ question: 'a', size: 1 }],
      rollout: (task) => {
        // @ts-expect-error the tasks have no answer
        void task.answer;
        return task.size;
      },
    });
    defineConfig({
      train: async () => [{ size: 1 }],
      taskKind: ({ size }) => size.toFixed(0),
      rollout: ({ size }) => size,
    });
    // @ts-expect-error an option that there is not
    defineConfig({ train: [1], rollout: () => 1, step: 4 });
  });
});
