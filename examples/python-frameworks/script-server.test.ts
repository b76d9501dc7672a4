import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ScriptServer } from './script-server.ts';

const hasFork = spawnSync('python3', ['-c', 'import os; os.fork']).status === 0;
const script = `
import json, os, random, sys, time
task = sys.stdin.read()
if task == "hang":
    time.sleep(600)
if task == "fail":
    raise ValueError("no such city")
print("working")
print(json.dumps({"answer": task, "key": os.environ["OPENAI_API_KEY"], "pid": os.getpid(), "drawn": random.random()}))
`;

describe.skipIf(!hasFork)('a script server (skipped where python3 cannot fork)', () => {
  let folder = '';
  let server: ScriptServer;
  const never = new AbortController().signal;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'script-server-'));
    await writeFile(join(folder, 'script.py'), script);
    server = await ScriptServer.start({
      python: 'python3',
      script: join(folder, 'script.py'),
      modules: ['json'],
      environment: {},
    });
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it('runs the script as often as asked, at once, each run with its own input, variables and process', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `größe ${index}`);
    const runs = (await Promise.all(names.map((name) => server.run(name, { OPENAI_API_KEY: name }, never)))) as {
      readonly answer: string;
      readonly key: string;
      readonly pid: number;
    }[];
    expect(runs.map(({ answer, key }) => [answer, key])).toEqual(names.map((name) => [name, name]));
    expect(new Set(runs.map(({ pid }) => pid)).size).toBe(names.length);
  });

  it('gives all runs of one input the same random numbers, and those of another one others', async () => {
    const inputs = ['Rome', 'Rome', 'Oslo'];
    const runs = await Promise.all(inputs.map((input) => server.run(input, { OPENAI_API_KEY: 'k' }, never)));
    const [first, second, other] = runs.map((run) => (run as { readonly drawn: number }).drawn);
    expect(first).toBe(second);
    expect(first).not.toBe(other);
  });

  it('tells what a script that failed has said, and goes on', async () => {
    await expect(server.run('fail', {}, never)).rejects.toThrow(/exit code 1: .*ValueError: no such city/s);
    expect(await server.run('on', { OPENAI_API_KEY: 'k' }, never)).toMatchObject({ answer: 'on' });
  });

  it('ends a run that is aborted', async () => {
    const control = new AbortController();
    const run = server.run('hang', {}, control.signal);
    control.abort(new Error('enough'));
    await expect(run).rejects.toThrow('enough');
  });

  it('says how to make an environment that is not there', async () => {
    const start = ScriptServer.start({ python: join(folder, 'python'), script: 'x', modules: [], environment: {} });
    await expect(start).rejects.toThrow(/did not start .*npm run setup:python-frameworks/);
  });
});
