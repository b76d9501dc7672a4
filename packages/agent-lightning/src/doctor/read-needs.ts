/** Reads out of lightning.config, without running it, what the project needs of this machine. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { AnyNode, CallExpression } from 'acorn';
import { findProjectConfig } from '../project/project-config.ts';
import { listProperties, type ModuleNames } from '../sources/read-module.ts';
import { walkNodes } from '../sources/walk-nodes.ts';
import { SourceIndex } from '../sources/source-index.ts';
import { SourceScope } from '../sources/source-scope.ts';

export interface Needs {
  /** The configuration; undefined where the project has none. */
  readonly config: string | undefined;
  /** Directories or names of models. */
  readonly models: readonly string[];
  readonly ports: readonly number[];
  /** True where the worker starts on this machine. */
  readonly python: boolean;
  /** The Python that is named. */
  readonly givenPython: string | undefined;
  /** True where the worker is to use a GPU. */
  readonly gpu: boolean;
  readonly device: string | undefined;
  readonly vllm: boolean;
  readonly runDirectory: string | undefined;
}

/** Reads the needs of a project. Values that are not written as they are, such as `process.env.MODEL`, are left out. */
export function readNeeds(directory: string): Needs {
  const config = findProjectConfig(directory);
  const index = new SourceIndex(directory);
  const module = config === undefined || !existsSync(join(directory, config)) ? undefined : index.read(config);
  const backends = module === undefined ? [] : listBackends(module, index);
  const worker = backends.find(({ name, options }) => name === 'gpu' && !options.has('url'));
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  const device = text(worker?.options.get('device'));
  return {
    config,
    models: backends.flatMap(({ name, options }) => (name === 'tinker' ? [] : (text(options.get('model')) ?? []))),
    ports: module === undefined ? [] : listPorts(module, index),
    python: worker !== undefined,
    givenPython: text(worker?.options.get('python')),
    gpu: worker !== undefined && device !== 'cpu' && device !== 'mps',
    device,
    vllm: worker !== undefined && worker.options.has('vllm') && worker.options.get('vllm') !== false,
    runDirectory: module === undefined ? undefined : listTexts(module, 'runDirectory')[0],
  };
}

interface BackendCall {
  readonly name: string;
  /** The options by name; a value that is no literal is the node itself. */
  readonly options: ReadonlyMap<string, unknown>;
}

const homes = /^(?:agent-lightning|@agent-lightning\/(?:embedded|gateway|gpu|tinker|trainer))$/;

/** Lists the calls of `embedded`, `gpu` and `tinker`. */
function listBackends(module: ModuleNames, index: SourceIndex): readonly BackendCall[] {
  const scope = new SourceScope(index, module);
  const calls: BackendCall[] = [];
  visitModule(module, (node) => {
    if (node.type !== 'CallExpression') return;
    const imported = scope.findImport((node as CallExpression).callee);
    if (imported === undefined || !homes.test(imported.from)) return;
    if (!['embedded', 'gpu', 'tinker'].includes(imported.name)) return;
    const [given] = node.arguments;
    const properties = given === undefined ? [] : listProperties(given);
    calls.push({ name: imported.name, options: new Map(properties.map(([name, value]) => [name, valueOf(value)])) });
  });
  return calls;
}

/** Returns the value of a literal; of `model ?? 'smollm2'` the last part; else the node. */
function valueOf(node: AnyNode): unknown {
  if (node.type === 'Literal') return node.value;
  return node.type === 'LogicalExpression' ? valueOf(node.right) : node;
}

/** Lists the ports on which a run listens: those of the option `vllm` and of gateways. Other ports may be those of a database. */
function listPorts(module: ModuleNames, index: SourceIndex): readonly number[] {
  const scope = new SourceScope(index, module);
  const ports = new Set<number>();
  const add = (given: AnyNode): void => {
    for (const [name, value] of listProperties(scope.resolve({ node: given, scope }).node)) {
      const port = name === 'port' ? valueOf(value) : undefined;
      if (typeof port === 'number' && port > 0) ports.add(port);
    }
  };
  visitModule(module, (node) => {
    for (const [name, value] of listProperties(node)) if (name === 'vllm') add(value);
    if (node.type === 'CallExpression' && startsGateway(node, scope) && node.arguments[0] !== undefined)
      add(node.arguments[0]);
  });
  return [...ports];
}

/** Tells whether a call is `Gateway.start(…)`. */
function startsGateway({ callee }: CallExpression, scope: SourceScope): boolean {
  if (callee.type !== 'MemberExpression' || callee.object.type === 'Super') return false;
  const imported = scope.findImport(callee.object);
  return imported?.name === 'Gateway' && homes.test(imported.from);
}

function listTexts(module: ModuleNames, key: string): readonly string[] {
  return listValues(module, key).filter((value) => typeof value === 'string');
}

/** Lists the values that object literals have under a key. */
function listValues(module: ModuleNames, key: string): readonly unknown[] {
  const values: unknown[] = [];
  visitModule(module, (node) => {
    for (const [name, value] of listProperties(node)) if (name === key) values.push(valueOf(value));
  });
  return values;
}

function visitModule(module: ModuleNames, visit: (node: AnyNode) => void): void {
  const seen = new Set<AnyNode>();
  const visitOnce = (node: AnyNode): void => {
    if (seen.has(node)) return;
    seen.add(node);
    visit(node);
  };
  for (const node of [...module.declared.values(), ...module.exports.values(), ...module.topLevel])
    walkNodes(node, visitOnce);
}
