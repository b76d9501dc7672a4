import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adapterScenarios } from '@agent-lightning/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const repository = join(import.meta.dirname, '..');
let root: string;

/** A workspace with the tools of this one, and no adapter yet. */
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'new-adapter-'));
  mkdirSync(join(root, 'packages'));
  symlinkSync(join(repository, 'node_modules'), join(root, 'node_modules'));
  for (const name of ['core', 'tracing']) symlinkSync(join(repository, 'packages', name), join(root, 'packages', name));
  mkdirSync(join(root, 'tools'));
  symlinkSync(join(repository, 'tools/build-app.setup.ts'), join(root, 'tools/build-app.setup.ts'));
  for (const file of ['tsconfig.base.json', '.oxlintrc.json', '.oxfmtrc.json', 'vitest.config.ts'])
    copyFileSync(join(repository, file), join(root, file));
  writeFileSync(join(root, 'package.json'), '{ "type": "module", "workspaces": ["packages/*"] }\n');
  writeFileSync(join(root, 'tsconfig.json'), '{ "files": [], "references": [] }\n');
  const config = JSON.parse(readFileSync(join(repository, 'tsconfig.test.json'), 'utf8')) as object;
  writeFileSync(
    join(root, 'tsconfig.test.json'),
    JSON.stringify({ ...config, include: ['packages/llama-index/**/*.ts'] }),
  );
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function run(command: string, args: readonly string[], cwd: string = root) {
  const { PATH = '' } = process.env;
  const env = {
    ...process.env,
    PATH: `${join(repository, 'node_modules/.bin')}:${PATH}`,
    VITEST: undefined,
    NO_COLOR: '1',
    FORCE_COLOR: undefined,
  };
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

const newAdapter = (id: string) => run(process.execPath, [join(import.meta.dirname, 'new-adapter.ts'), id, root]);

describe('npm run new:adapter', () => {
  it('writes the five files of an adapter, and its contract', () => {
    expect(newAdapter('llama-index').status).toBe(0);
    const sources = readdirSync(join(root, 'packages/llama-index/src')).toSorted();
    expect(sources).toEqual(['caller.ts', 'index.ts', 'listener.ts', 'spans.ts', 'with-lightning.ts']);
    for (const name of ['ai-sdk', 'langgraph', 'mastra', 'openai-agents']) {
      const files = readdirSync(join(repository, 'packages', name, 'src')).filter(
        (file) => !/\.test(-d)?\.ts$/.test(file),
      );
      expect(files.toSorted(), name).toEqual(sources);
    }
    expect(readFileSync(join(root, 'tsconfig.json'), 'utf8')).toContain('"packages/llama-index"');
    const faceOf = (folder: string): unknown => {
      const { type, main, types, files, exports } = JSON.parse(
        readFileSync(join(folder, 'package.json'), 'utf8'),
      ) as Record<string, unknown>;
      return [{ type, main, types, files, exports }, readFileSync(join(folder, 'index.d.cts'), 'utf8')];
    };
    expect(faceOf(join(root, 'packages/llama-index'))).toEqual(faceOf(join(repository, 'packages/langgraph')));
  });

  it('refuses what is no id, and what is there', () => {
    expect(newAdapter('Llama_Index')).toMatchObject({ status: 1, output: expect.stringContaining('is not an id') });
    expect(newAdapter('llama-index')).toMatchObject({ status: 1, output: expect.stringContaining('exists already') });
  });

  it.each([
    ['lint', 'oxlint', ['--deny-warnings', 'packages/llama-index']],
    ['format', 'oxfmt', ['--check', 'packages/llama-index']],
    ['types', 'tsc', ['-p', 'tsconfig.test.json']],
  ] as const)('is clean from the start: %s', (_what, command, args) => {
    expect(run(command, args)).toMatchObject({ status: 0 });
  });

  it('fails every scenario of the contract until it is written', () => {
    const { status, output } = run(
      'vitest',
      ['run', '--config', '../../vitest.config.ts', '--root', '.'],
      join(root, 'packages/llama-index'),
    );
    expect(status).toBe(1);
    for (const scenario of adapterScenarios) expect(output).toContain(`Llama Index is an adapter > ${scenario}`);
    expect(output).toContain(`${adapterScenarios.length} failed`);
  });
});
