import { globSync } from 'node:fs';
import { basename, join, sep } from 'node:path';

/** Describes one part of `npm run test:full`. */
export interface FullPart {
  readonly name: string;
  readonly title: string;
  /** Names the programs with their arguments that run one after the other. */
  readonly commands: readonly (readonly [string, ...string[]])[];
  /** Names the workspace whose tests these are; absent for a part that is no run of Vitest. */
  readonly directory?: string;
}

/** The folder of tests on a real vLLM, which are a part of their own; within its workspace. */
const vllmTests = join('test', 'real-vllm');

/**
 * Lists the parts: the `*.full.test.ts` files of each workspace, those on vLLM, the packed packages, the ways of using them, `init` and `doctor`, frameworks in Python, templates and
 * tokenizers, versions of frameworks, the documents as a site, the dashboard in a browser, stores under kills, and a server under kills and load.
 */
export function listFullParts(root: string): readonly FullPart[] {
  return [
    ...listTestParts(root),
    vllmOf(root),
    packed,
    matrix,
    setUp,
    examined,
    quickstarts,
    pythonFrameworks,
    models,
    documents,
    agl03,
    agl10,
    dashboard,
    versions,
    ...(['sqlite', 'postgres'] as const).map(chaosOf),
    chaosOfServer,
    benchOfServer,
  ];
}

function listTestParts(root: string): readonly FullPart[] {
  const files = globSync(
    ['packages/*/{src,test}/**/*.full.test.ts', 'examples/*/**/*.full.test.ts', 'tools/**/*.full.test.ts'],
    {
      cwd: root,
      exclude: ['**/node_modules/**', '**/dist/**', `**/${vllmTests}/**`],
    },
  );
  const workspaces = new Set(
    files.map((file) =>
      file
        .split(sep)
        .slice(0, file.startsWith('tools') ? 1 : 2)
        .join(sep),
    ),
  );
  const config = join(root, 'vitest.full.config.ts');
  return [...workspaces].toSorted().map((workspace) => ({
    name: `tests-${basename(workspace)}`,
    title: `the heavy tests (*.full.test.ts) of ${workspace}`,
    commands: [
      ['npm', 'run', 'build:wasm', '--silent', '-w', '@agent-lightning/embedded'],
      ['npx', 'vitest', 'run', '--config', config, '--root', '.', '--exclude', `${vllmTests}/**`],
    ],
    directory: join(root, workspace),
  }));
}

function vllmOf(root: string): FullPart {
  const config = join(root, 'vitest.full.config.ts');
  return {
    name: 'vllm',
    title: 'training and sampling with a real vLLM on the CPU (npm run setup:vllm)',
    // One file after the other: each starts servers that take all cores and gigabytes of memory.
    commands: [['npx', 'vitest', 'run', '--config', config, '--root', '.', '--no-file-parallelism', `${vllmTests}/`]],
    directory: join(root, 'packages', 'trainer'),
  };
}

const packed: FullPart = {
  name: 'packages',
  title: 'builds, packs and loads every package; publint, attw, licences',
  commands: [
    ['npm', 'run', 'build'],
    ['npm', 'run', 'check:packages'],
    ['npm', 'run', 'check:tarballs'],
  ],
};

const documents: FullPart = {
  name: 'docs',
  title: 'builds the documentation as a site',
  commands: [['npm', 'run', 'docs:build']],
};

const agl03: FullPart = {
  name: 'agl03',
  title: "runs Agent Lightning 0.3's own tests, and its runner, against our server (750 MB from PyPI)",
  commands: [['npm', 'run', 'test:agl03', '--silent', '--', '--json']],
};

const agl10: FullPart = {
  name: 'agl10',
  title:
    "runs Agent Lightning 1.0's own controller and its trainer's rollout managers against our server (120 MB from PyPI)",
  commands: [['npm', 'run', 'test:agl10', '--silent', '--', '--json']],
};

const dashboard: FullPart = {
  name: 'dashboard',
  title: 'visits every page of the dashboard in a real Chromium (apt-get install chromium)',
  commands: [['npm', 'run', 'test:dashboard', '--silent', '--', '--json']],
};

const setUp: FullPart = {
  name: 'init',
  title: 'sets up eight existing projects with the packed packages, and runs dev in each at once',
  commands: [
    ['npm', 'run', 'build'],
    ['npm', 'run', 'test:init', '--silent', '--', '--json'],
  ],
};

const examined: FullPart = {
  name: 'doctor',
  title: 'plants ten faults, which doctor must name',
  commands: [
    ['npm', 'run', 'build'],
    ['npm', 'run', 'test:doctor', '--silent', '--', '--json'],
  ],
};

const matrix: FullPart = {
  name: 'matrix',
  title:
    'uses the packed packages from ES modules and CommonJS, compilers, versions of Node, bundlers, Next.js and Vercel',
  commands: [
    ['npm', 'run', 'build'],
    ['npm', 'run', 'test:matrix', '--silent', '--', '--json'],
  ],
};

const quickstarts: FullPart = {
  name: 'packed',
  title:
    'trains the quickstart agent of each framework in an empty folder, as docs/quickstarts says, from packed packages',
  commands: [
    ['npm', 'run', 'build'],
    ['npm', 'run', 'test:packed', '--silent'],
  ],
};

const pythonFrameworks: FullPart = {
  name: 'python-frameworks',
  title:
    'trains agents of AutoGen, CrewAI, Microsoft Agent Framework and OpenAI Agents in Python, each with its control',
  commands: [
    ['npm', 'run', 'setup:python-frameworks', '--silent'],
    ['npm', 'run', 'example:python-frameworks', '--silent', '--', '--json'],
  ],
};

const models: FullPart = {
  name: 'models',
  title: "compares chat templates and tokenizers with Python's",
  commands: [['npm', 'run', 'check:models', '--silent']],
};

const versions: FullPart = {
  name: 'versions',
  title: 'each adapter with the lowest and the newest version of its framework, from npm',
  commands: [['npm', 'run', 'test:versions', '--silent']],
};

const chaosOfServer: FullPart = {
  name: 'chaos-server',
  title: '500 kills and broken connections of a server, its trainer and its runners',
  commands: [['npm', 'run', 'chaos:server', '--silent', '--', '--faults', '500', '--json']],
};

const benchOfServer: FullPart = {
  name: 'bench-server',
  title: 'rollouts through a server against rollouts in one process, and 1,000 connected runners',
  commands: [['npm', 'run', 'bench:server', '--silent', '--', '--json']],
};

function chaosOf(store: 'sqlite' | 'postgres'): FullPart {
  return {
    name: `chaos-${store}`,
    title: `200 kills of processes that write to ${store === 'sqlite' ? 'a SQLite' : 'a PostgreSQL'} store`,
    commands: [['npm', 'run', 'chaos:store', '--silent', '--', '--kills', '200', '--store', store]],
  };
}
