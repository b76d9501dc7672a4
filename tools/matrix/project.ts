import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runNpm } from '../packed/run-npm.ts';

/** A project that installs the packed packages, as its author has it before `npm install`. */
export interface ProjectPlan {
  /** The folder of its files, within `fixtures`. */
  readonly files: string;
  /** The `type` of its package.json. @default none, as create-next-app leaves it */
  readonly type?: 'module' | 'commonjs';
  /** What npm installs, each with a version or a tag. */
  readonly installs: readonly string[];
}

/** The frameworks and clients of the app, and what its compiler needs. */
const appPackages = [
  'ai',
  '@ai-sdk/openai',
  '@langchain/core',
  '@langchain/langgraph',
  '@langchain/openai',
  '@mastra/core',
  '@openai/agents',
  'zod',
];
const ourApp = [
  'agent-lightning',
  ...['core', 'embedded', 'ai-sdk', 'langgraph', 'mastra', 'openai-agents'].map(scoped),
];

/** The compilers, by the names under which an app installs them side by side. */
export const compilers = { '5.9': 'typescript-5.9', newest: 'typescript-newest' } as const;

export type Compiler = keyof typeof compilers;

/** Returns the app, as an ES module or CommonJS. */
export function planApp(type: 'module' | 'commonjs'): ProjectPlan {
  const typescript = [`${compilers['5.9']}@npm:typescript@5.9`, `${compilers.newest}@npm:typescript@latest`];
  const tools = [...typescript, '@types/node@24', pinned('esbuild')];
  return { files: 'app', type, installs: [...ourApp, ...appPackages.map(pinned), ...tools] };
}

const server = ['agent-lightning', scoped('ai-sdk'), ...['ai', '@ai-sdk/openai', 'zod'].map(pinned)];

/** Returns a project of the newest Next.js with one route. */
export function planNext(): ProjectPlan {
  const next = ['next', 'react', 'react-dom', '@types/react'].map((name) => `${name}@latest`);
  return { files: 'next', installs: [...server, ...next, 'typescript@5.9', '@types/node@24'] };
}

/** Returns a project with one function for Vercel, and Vercel's newest builder. */
export function planVercel(): ProjectPlan {
  return { files: 'vercel', type: 'module', installs: [...server, '@vercel/node@latest', '@types/node@24'] };
}

/** Lays a project into a folder and installs what it needs. */
export async function makeProject(plan: ProjectPlan, folder: string, registry: string): Promise<string> {
  cpSync(join(import.meta.dirname, 'fixtures', plan.files), folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: plan.type }));
  await runNpm(['install', '--no-audit', '--no-fund', `--registry=${registry}`, ...plan.installs], folder);
  return folder;
}

/** Returns the name with the version that the tools of this repository are tested with. */
function pinned(name: string): string {
  const { dependencies } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const version = dependencies[name];
  if (version === undefined) throw new TypeError(`tools/package.json has no ${name}, which the matrix installs`);
  return `${name}@${version}`;
}

function scoped(name: string): string {
  return `@agent-lightning/${name}`;
}
