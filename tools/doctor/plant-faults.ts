/** Plants the faults that `doctor` must name, each for real. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';

/** A place for one fault: a healthy project of its own, which the fault then breaks. */
export interface Place {
  /** The folder of the project. */
  readonly project: string;
  /** A folder beside it, for what is no part of it. */
  readonly folder: string;
  /** The repository. */
  readonly root: string;
}

/** A fault as it was planted. */
export interface Planted {
  /** The arguments of `doctor`. @default none */
  readonly args?: readonly string[];
  /** Variables that are set besides. @default none */
  readonly environment?: NodeJS.ProcessEnv;
  /** The Node that runs the command. @default this one */
  readonly node?: string;
  /** Takes the fault away. @default nothing is to be taken away */
  readonly remove?: () => Promise<void> | void;
}

export interface Fault {
  readonly name: string;
  /** The name of the check that must report it. */
  readonly check: string;
  /** Matches what must be said: the thing itself, and not only that something is wrong. */
  readonly says: RegExp;
  /** Plants it, or returns the reason why this machine cannot have it. */
  readonly plant: (place: Place) => Promise<Planted | string> | Planted | string;
}

export const faults: readonly Fault[] = [
  { name: 'wrong Node', check: 'node', says: /Node \d+\.\d+\.\d+ at .*22\.15/, plant: plantOldNode },
  {
    name: 'old framework',
    check: 'framework',
    says: /ai 6\.\d+\.\d+, and @agent-lightning\/ai-sdk takes/,
    plant: plantOldFramework,
  },
  { name: 'missing Python package', check: 'python', says: /lacks .*torch/, plant: plantBarePython },
  { name: 'busy port', check: 'port', says: /port \d+ is taken/, plant: plantBusyPort },
  { name: 'full disk', check: 'disk', says: /MB are free on the disk of/, plant: plantFullDisk },
  { name: 'no GPU', check: 'gpu', says: /no NVIDIA GPU/, plant: plantNoGpu },
  { name: 'model directory without template', check: 'model', says: /no chat template/, plant: plantModel },
  { name: 'expired key', check: 'key', says: /OPENAI_API_KEY is rejected .*401.*expired/, plant: plantExpiredKey },
  { name: 'read-only folder', check: 'folder', says: /read-only|not writable/, plant: plantReadOnly },
  { name: 'two copies of core', check: 'core', says: /2 copies of @agent-lightning\/core/, plant: plantSecondCore },
];

/** Runs the command by the Node of the npm package `node` at the newest version that is too old. */
function plantOldNode({ folder }: Place): Planted {
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  execFileSync('npm', ['install', '--no-audit', '--no-fund', 'node@22.14.0'], { cwd: folder, stdio: 'ignore' });
  return { node: join(folder, 'node_modules', 'node', 'bin', 'node') };
}

/** Installs an older AI SDK in the place of the installed one, as `npm install --force` lets anybody do. */
function plantOldFramework({ project }: Place): Planted {
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--force', 'ai@6'], { cwd: project, stdio: 'ignore' });
  return {};
}

/** Makes a Python environment without the packages of the worker. */
function plantBarePython({ folder }: Place): Planted | string {
  try {
    execFileSync('python3', ['-m', 'venv', '--without-pip', join(folder, 'venv')], { stdio: 'pipe' });
  } catch (error) {
    return `python3 cannot make an environment: ${String(error)}`;
  }
  return { environment: { AGENT_LIGHTNING_PYTHON: join(folder, 'venv', 'bin', 'python') } };
}

/** Listens on a port that the configuration asks for. */
async function plantBusyPort({ project }: Place): Promise<Planted> {
  const server = createServer();
  const port = await listen(server);
  writeConfig(project, `vllm: { port: ${port} }, device: 'cpu'`);
  return { remove: async () => await close(server) };
}

/** Mounts a disk of one megabyte for the runs and fills it. */
function plantFullDisk({ project }: Place): Planted | string {
  const runs = join(project, 'runs');
  mkdirSync(runs);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', runs], { stdio: 'pipe' });
  } catch (error) {
    return `this user may not mount a small disk: ${String(error)}`;
  }
  writeFileSync(join(runs, 'full'), Buffer.alloc(1_000_000));
  return { remove: () => void execFileSync('umount', [runs]) };
}

/** Asks for a GPU, with a PATH on which no driver is. */
function plantNoGpu({ project, folder }: Place): Planted {
  writeConfig(project, '');
  const path = join(folder, 'bin');
  mkdirSync(path);
  return { environment: { PATH: path } };
}

/** Copies a real model, without its chat template. */
function plantModel({ folder, root }: Place): Planted {
  const model = join(folder, 'model');
  cpSync(join(root, 'examples', 'sql-agent', 'model'), model, { recursive: true });
  rmSync(join(model, 'chat_template.jinja'), { force: true });
  const file = join(model, 'tokenizer_config.json');
  const { chat_template: _template, ...settings } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify(settings));
  return { args: ['--model', model] };
}

/** Starts a provider that rejects every key as expired. */
async function plantExpiredKey(): Promise<Planted> {
  const server = createHttpServer((_request, response) => {
    response.writeHead(401, { 'content-type': 'application/json' });
    response.end('{"error":{"message":"Your API key has expired.","code":"invalid_api_key"}}');
  });
  const port = await listen(server);
  return {
    environment: { OPENAI_API_KEY: 'sk-expired', OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1` },
    remove: async () => await close(server),
  };
}

/** Takes the right to write from the folder of the runs: by a mount where this user is the superuser, whom rights do not stop. */
function plantReadOnly({ project }: Place): Planted {
  const runs = join(project, 'runs');
  mkdirSync(runs);
  chmodSync(runs, 0o555);
  if (process.getuid?.() !== 0) return { remove: () => chmodSync(runs, 0o755) };
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', runs], { stdio: 'pipe' });
  } catch {
    // Without the right to mount, the mode alone says it.
    return {};
  }
  return { remove: () => void execFileSync('umount', [runs]) };
}

/** Gives the trainer a core of its own, as npm does for two versions. */
function plantSecondCore({ project }: Place): Planted {
  const scoped = join(project, 'node_modules', '@agent-lightning');
  const nested = join(scoped, 'trainer', 'node_modules', '@agent-lightning', 'core');
  cpSync(join(scoped, 'core'), nested, { recursive: true });
  return {};
}

/** Writes a configuration that trains in the PyTorch worker. */
function writeConfig(project: string, options: string): void {
  const text = `import { defineConfig, gpu } from 'agent-lightning';
export default defineConfig({ rollout: () => 1, train: [{}], backend: () => gpu({ model: 'smollm2', ${options} }) });
`;
  writeFileSync(join(project, 'lightning.config.mjs'), text);
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
