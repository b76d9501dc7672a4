/**
 * Keeps the sources free of what only works on Linux: what they do otherwise on macOS or Windows is in one named place, which knows of it. The tests
 * of this repository run on Linux and macOS only, so nothing else would notice.
 */
import { globSync, readFileSync } from 'node:fs';
import { join, sep, win32 } from 'node:path';
import { findHubModel, parseHubModelId } from '@agent-lightning/platform';
import { assert, constantFrom, property, stringMatching } from 'fast-check';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

/** Something that differs between systems. */
interface Rule {
  readonly about: string;
  /** Matches it in a line of TypeScript. */
  readonly pattern: RegExp;
  /** A line that must be found. */
  readonly wrong: string;
  /** A line that must not be. */
  readonly right: string;
  /** The files that may have it, each with what it does elsewhere. */
  readonly allowed: Readonly<Record<string, string>>;
}

const rules: readonly Rule[] = [
  {
    about: 'the pathname of a file URL is no path on Windows (/C:/…, and %20 for a space): use fileURLToPath',
    pattern: /\.pathname\b/,
    wrong: "readFile(new URL('../a.json', import.meta.url).pathname)",
    right: "readFile(fileURLToPath(new URL('../a.json', import.meta.url)))",
    allowed: {
      'packages/gateway/src/http/shown-url.ts': 'a URL of HTTP',
      'packages/regression/src/replay-server.ts': 'a URL of HTTP',
      'packages/tinker/src/download.ts': 'a URL of HTTP',
    },
  },
  {
    about: 'Windows rejects a rename while a file is open anywhere: use moveIntoPlace',
    pattern: /(?<![.\w])rename(?:Sync)?\(/,
    wrong: 'await rename(partial, path);',
    right: 'await moveIntoPlace(partial, path);',
    allowed: { 'packages/platform/src/move-into-place.ts': 'tries again on Windows' },
  },
  {
    about: 'package managers are command scripts on Windows, which only a shell starts',
    pattern: /\b(?:spawn|execFile|fork)(?:Sync)?\(\s*['"`](?:npm|npx|pnpm|yarn|bun|bunx|tsc|corepack)(?:\.cmd)?['"`]/,
    wrong: "spawn('npx', ['vitest'])",
    right: "spawn(process.execPath, ['node_modules/vitest/vitest.mjs'])",
    allowed: {},
  },
  {
    about: 'a program that is chosen at run time may be a command script on Windows: say shell, or that it is none',
    pattern: /\bspawn(?:Sync)?\((?!['"`]|process\.execPath)/,
    wrong: 'spawn(program, args)',
    right: "spawn('uv', ['--version'])",
    allowed: {
      'examples/python-frameworks/script-server.ts': 'Python is no script, and forking needs Linux or macOS',
      'examples/python-frameworks/set-up.ts': 'uv and Python are no scripts',
      'packages/agent-lightning/src/init/apply-plan.ts': 'has a shell on Windows',
      'packages/gpu/src/setup/installer.ts': 'Python is no script',
      'packages/gpu/src/setup/run-command.ts': 'uv and Python are no scripts',
      'packages/gpu/src/setup/set-up-vllm.ts': 'uv and Python are no scripts, and there is no vLLM for Windows',
      'packages/gpu/src/vllm/vllm-process.ts': 'there is no vLLM for Windows',
      'packages/gpu/src/worker/worker-process.ts': 'Python is no script',
      'packages/runner/src/command/child-run.ts': "the user's own command, whose error says what to give on Windows",
    },
  },
  {
    about: 'there is no such path on Windows, and not all are on macOS',
    pattern: /['"`]\/(?:tmp|proc|bin|dev|etc|usr|var|home|sys|opt|run)(?:\/|['"`])/,
    wrong: "mkdtempSync('/tmp/run-')",
    right: "mkdtempSync(join(tmpdir(), 'run-'))",
    allowed: {
      'packages/gateway/src/http/connection-guard.ts': 'no limit is known elsewhere',
      'packages/platform/src/process-tree.ts': 'Windows has taskkill instead',
      'packages/runner/src/job/cluster/find-cluster.ts': 'the path inside of a pod, which is Linux',
      'packages/runner/src/process-owner.ts': 'a machine and a start are known less exactly elsewhere',
      'packages/store-sqlite/src/store-clock.ts': 'the boot is not known elsewhere',
    },
  },
  {
    about: 'Windows has no owners, modes and links as these functions mean them',
    pattern: /\b(?:getuid|geteuid|setuid|umask|symlink|chmod|chown|lchown)(?:Sync)?\??\.?\(/,
    wrong: 'if (process.getuid?.() === 0) chmodSync(path, 0o600);',
    right: 'await writeFile(path, text, { mode: 0o600 });',
    allowed: { 'packages/testing/src/postgres/start-postgres.ts': 'for a superuser, whom Windows does not have' },
  },
  {
    about: 'a directory cannot be synced on Windows: use syncDirectory',
    pattern: /\bfsync(?:Sync)?\(|\bdirectory\.sync\(/,
    wrong: 'await directory.sync();',
    right: 'await syncDirectory(path);',
    allowed: { 'packages/platform/src/durable-files.ts': 'not on Windows' },
  },
  {
    about: 'Windows has no Unix sockets in the file system',
    pattern: /\bsocketPath\b|\.sock['"`]/,
    wrong: "listen('/run/gateway.sock')",
    right: 'listen(0)',
    allowed: {},
  },
  {
    about: 'Windows has only SIGINT to be told of; SIGTERM and SIGKILL end a process there',
    pattern: /['"`]SIG(?!INT|TERM|KILL)[A-Z0-9]+['"`]/,
    wrong: "process.on('SIGUSR2', reload)",
    right: "process.once('SIGINT', stop)",
    allowed: { 'packages/testing/src/postgres/start-postgres.ts': 'ends a server that did not end by itself' },
  },
  {
    about: 'import() takes a path as a URL on Windows: give it the href of pathToFileURL',
    pattern: /\bimport\((?!\s*(?:\/\*.*\*\/\s*)?(?:['"`]|pathToFileURL\())/,
    wrong: 'await import(path)',
    right: 'await import(pathToFileURL(path).href)',
    allowed: { 'packages/gateway/src/standalone/open-store.ts': 'locate gives a URL, or the name of a package' },
  },
  {
    about: 'paths are not joined by a slash: use join',
    pattern: /\$\{(?:\w+\.)*(?:directory|folder|root|path|parentPath|cwd\(\)|tmpdir\(\)|homedir\(\))\}\/\w/i,
    wrong: 'readFile(`${directory}/run.json`)',
    right: "readFile(join(directory, 'run.json'))",
    allowed: {},
  },
];

/** The sources that run on users' machines. */
const sources = globSync('{packages/*/src,examples}/**/*.{ts,mjs}', {
  cwd: root,
  exclude: ['**/node_modules/**', '**/dist/**', '**/generated/**', '**/*.test.ts', '**/runs/**'],
}).map((file) => file.split(sep).join('/'));

const texts = new Map(sources.map((file) => [file, readFileSync(join(root, file), 'utf8')]));

/** Returns the lines of a text that break a rule; those of comments are left out. */
function findLines(text: string, { pattern }: Rule): readonly string[] {
  return text.split('\n').filter((line) => !/^\s*(?:\/\/|\/?\*)/.test(line) && pattern.test(line));
}

/** Tells whether Windows takes a text as the name of a file or folder. */
function isWindowsName(name: string): boolean {
  // oxlint-disable-next-line no-control-regex
  return name !== '' && !/[<>:"/\\|?*\u0000-\u001f]|[. ]$|^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i.test(name);
}

describe('the sources', () => {
  it.each(rules)('$about', (rule) => {
    expect(findLines(rule.wrong, rule)).toHaveLength(1);
    expect(findLines(rule.right, rule)).toEqual([]);
    const found = [...texts].flatMap(([file, text]) => findLines(text, rule).map((line) => [file, line.trim()]));
    expect(found.filter(([file]) => !(file! in rule.allowed))).toEqual([]);
    const unused = Object.keys(rule.allowed).filter((file) => found.every(([each]) => each !== file));
    expect(unused, 'places that are allowed and no longer need it').toEqual([]);
  });

  it('are there to be looked at', () => {
    expect(sources.length).toBeGreaterThan(500);
  });
});

describe('the files of this repository', () => {
  const files = globSync('{packages,examples,tools,docs,skills,.changeset,.github}/**/*', {
    cwd: root,
    exclude: ['**/node_modules/**', '**/dist/**', '**/.venv/**', '**/.vllm/**', '**/.cache/**', '**/runs/**'],
  }).map((file) => file.split(sep).join('/'));

  it('have names that Windows takes', () => {
    expect(files.length).toBeGreaterThan(1_000);
    expect(files.filter((file) => !file.split('/').every(isWindowsName))).toEqual([]);
  });

  it('differ by more than capitals', () => {
    const alike = [...Map.groupBy(files, (file) => file.toLowerCase()).values()].filter((group) => group.length > 1);
    expect(alike).toEqual([]);
  });
});

describe('names that are made of what a user gives', () => {
  it('of models of the hub are one folder on Windows', () => {
    const part = stringMatching(/^[A-Za-z0-9][\w.-]{0,20}$/);
    const revision = stringMatching(/^[A-Za-z0-9][\w./-]{0,20}$/);
    assert(
      property(part, part, revision, (owner, name, branch) => {
        const id = parseHubModelId(`${owner}/${name}@${branch}`);
        // What is no id is read as a path, or rejected.
        if (id === undefined) return;
        expect(win32.basename(findHubModel(id, { AGENT_LIGHTNING_CACHE: '/c' }))).toSatisfy(isWindowsName);
      }),
    );
    expect(parseHubModelId('Qwen/Qwen3-0.6B@refs/pr/1')).toBeDefined();
    expect(parseHubModelId('Qwen/Qwen3-0.6B@v1.')).toBeUndefined();
  });

  it('are told from those that Windows does not take', () => {
    assert(property(constantFrom('con', 'NUL.txt', 'a:b', 'a.', 'a ', 'a/b', 'lpt1'), (name) => !isWindowsName(name)));
    assert(property(stringMatching(/^[a-z]{4,9}\d?(?:-[a-z]+)?$/), isWindowsName));
  });
});
