/** Finds the agents in the sources of a project. Nothing is run. */
import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import type { AnyNode, BlockStatement, Function as FunctionNode } from 'acorn';
import { frameworks } from '../project/frameworks.ts';
import type { AgentCandidate, RecognizedAgent } from './agent-candidate.ts';
import { isFunction, readParameter } from './agent-input.ts';
import { walkNodes } from '../sources/walk-nodes.ts';
import type { ModuleNames } from '../sources/read-module.ts';
import { recognizeAgent } from './recognize-agent.ts';
import { SourceIndex } from '../sources/source-index.ts';
import { nameOfValue, SourceScope } from '../sources/source-scope.ts';

/** The agents of a project. */
export interface FoundAgents {
  readonly candidates: readonly AgentCandidate[];
  /** Files that name a framework and could not be parsed, and files that this user may not read. */
  readonly unreadable: readonly string[];
}

const mentionsFramework = new RegExp(
  `['"](?:${[...frameworks.flatMap(({ packages }) => packages), '@langchain/langgraph-\\w+'].join('|')})(?:/[^'"]*)?['"]`,
);

/** Finds every agent in a project: exported ones first, entries before those that they use. */
export function findAgents(directory: string, index: SourceIndex = new SourceIndex(directory)): FoundAgents {
  const candidates: AgentCandidate[] = [];
  const unreadable: string[] = [];
  for (const file of index.files) {
    const text = index.readText(file);
    if (text !== undefined && !mentionsFramework.test(text)) continue;
    const module = index.read(file);
    if (module === undefined) unreadable.push(file);
    else candidates.push(...findInModule(module, index));
  }
  return { candidates: sortCandidates(candidates, readDeclaredGraphs(directory)), unreadable };
}

function findInModule(module: ModuleNames, index: SourceIndex): readonly AgentCandidate[] {
  const scope = new SourceScope(index, module);
  const seen = new Set<AnyNode>();
  const found: AgentCandidate[] = [];
  const add = (name: string, exportName: string | undefined, value: AnyNode): void => {
    const { node, scope: home } = scope.resolve({ node: value, scope });
    // What is declared in another file is found there.
    if (home.module !== module || seen.has(node)) return;
    const recognized = recognizeValue(node, scope);
    // An instance without agents of its own has only workflows, which are found by themselves.
    if (recognized === undefined || (recognized.kind === 'instance' && recognized.registered.length === 0)) return;
    seen.add(node);
    found.push({
      ...recognized,
      file: module.file,
      exportName,
      name,
      line: node.loc?.start.line ?? 1,
      needs: isFunction(node) && !recognized.isFactory ? countNeeded(node, index.readText(module.file) ?? '') : 1,
      isCommonJs: module.isCommonJs,
      uses: listUses(node, name, scope),
      runsOnImport: runsOnImport(module, name),
    });
  };
  // A named export is preferred to the default one.
  const exported = [...module.exports].toSorted(
    ([left], [right]) => Number(left === 'default') - Number(right === 'default'),
  );
  for (const [exportName, value] of exported)
    add((value.type === 'Identifier' ? value.name : nameOfValue(module, value)) ?? exportName, exportName, value);
  for (const [name, value] of module.declared) add(name, undefined, value);
  return found;
}

type Recognized = RecognizedAgent & Pick<AgentCandidate, 'isFactory'>;

function recognizeValue(node: AnyNode, scope: SourceScope): Recognized | undefined {
  const direct = recognizeAgent({ node, scope });
  if (direct !== undefined) return { ...direct, isFactory: false };
  if (!isFunction(node)) return undefined;
  const made = node.params.length === 0 ? recognizeReturned(node, scope) : undefined;
  return made === undefined ? recognizeCaller(node, scope) : { ...made, isFactory: true };
}

/** Recognizes what a function returns, such as the graph of `createGraph()`. */
function recognizeReturned(node: FunctionNode, scope: SourceScope): RecognizedAgent | undefined {
  if (node.body.type !== 'BlockStatement') return recognizeAgent({ node: node.body, scope });
  const inside = scope.inside(node.body.body);
  const returned = node.body.body.flatMap((each) => (each.type === 'ReturnStatement' ? (each.argument ?? []) : []));
  return returned.map((value) => recognizeAgent({ node: value, scope: inside })).find((each) => each !== undefined);
}

const modelFunctions: ReadonlySet<string> = new Set(['generateText', 'generateObject', 'streamText', 'streamObject']);
/** Functions that a web framework calls with a request, such as the route of a Next.js app. */
const routeNames: ReadonlySet<string> = new Set([
  'GET',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'default',
  'handler',
  'middleware',
]);

/** Recognizes a function with parameters that asks a model through the AI SDK. */
function recognizeCaller(node: FunctionNode, scope: SourceScope): Recognized | undefined {
  const [parameter] = node.params;
  if (parameter === undefined || routeNames.has(node.id?.name ?? '')) return undefined;
  const inside = node.body.type === 'BlockStatement' ? scope.inside((node.body as BlockStatement).body) : scope;
  let asks = false;
  walkNodes(node.body, (inner) => {
    if (inner.type !== 'CallExpression') return;
    const imported = inside.findImport(inner.callee);
    if (imported?.from === 'ai' && modelFunctions.has(imported.name)) asks = true;
    const object = inner.callee.type === 'MemberExpression' ? inner.callee.object : undefined;
    if (object?.type === 'Identifier' && recognizeAgent({ node: object, scope: inside })?.framework === 'ai-sdk')
      asks = true;
  });
  if (!asks) return undefined;
  return { framework: 'ai-sdk', kind: 'function', input: readParameter(parameter), registered: [], isFactory: false };
}

/** Counts the arguments that a function needs. The types are gone from its tree, but not from the text, where `name?: type` needs none. */
function countNeeded({ params }: FunctionNode, text: string): number {
  const isOptional = ({ type, end }: AnyNode): boolean =>
    type === 'AssignmentPattern' || type === 'RestElement' || /^\s*\?/.test(text.slice(end, end + 20));
  return params.findLastIndex((parameter) => !isOptional(parameter)) + 1;
}

/** Lists the values of the project that a value mentions, as `file#name`. */
function listUses(node: AnyNode, name: string, scope: SourceScope): ReadonlySet<string> {
  const uses = new Set<string>();
  walkNodes(node, (inner) => {
    const place = inner.type === 'Identifier' && inner.name !== name ? scope.locate(inner.name) : undefined;
    if (place !== undefined) uses.add(place);
  });
  return uses;
}

/** Returns whether statements at the top of a module, other than assignments to its exports, seem to run an agent. */
function runsOnImport(module: ModuleNames, name: string): boolean {
  const runs = (node: AnyNode): boolean => {
    let found = false;
    walkNodes(node, (inner) => {
      if (isFunction(inner)) return false;
      if (inner.type !== 'CallExpression') return true;
      const { callee } = inner;
      const takesAgent = inner.arguments.some((given) => given.type === 'Identifier' && given.name === name);
      if (callee.type === 'Identifier' && (takesAgent || callee.name === 'main')) found = true;
      if (callee.type === 'MemberExpression' && callee.object.type === 'Identifier' && callee.object.name === name)
        found ||=
          callee.property.type === 'Identifier' && /^(?:invoke|stream|generate|run)$/.test(callee.property.name);
    });
    return found;
  };
  const awaited = [...module.declared.values()].filter((node) => node.type === 'AwaitExpression');
  const statements = module.topLevel.filter((node) => node.type !== 'IfStatement');
  return [...statements, ...awaited].some(runs);
}

/** Returns the graphs that LangGraph's own langgraph.json names, as `file#export`. */
function readDeclaredGraphs(directory: string): ReadonlySet<string> {
  const file = join(directory, 'langgraph.json');
  if (!existsSync(file)) return new Set();
  try {
    const { graphs = {} } = JSON.parse(readFileSync(file, 'utf8')) as { graphs?: Readonly<Record<string, unknown>> };
    return new Set(
      Object.values(graphs)
        .filter((path) => typeof path === 'string')
        .map((path) => posix.normalize(path).replace(/:([^:]*)$/, '#$1')),
    );
  } catch {
    // A file that LangGraph could not read either says nothing about the agent.
    return new Set();
  }
}

/** Sorts exported agents first, then those that langgraph.json names, then those that no other agent uses, then by their kind. */
function sortCandidates(
  candidates: readonly AgentCandidate[],
  declared: ReadonlySet<string>,
): readonly AgentCandidate[] {
  const used = listUsed(candidates);
  const kinds = ['instance', 'graph', 'agent', 'workflow', 'function'];
  const rank = (each: AgentCandidate): readonly number[] => [
    each.exportName === undefined ? 1 : 0,
    declared.has(`${each.file}#${each.exportName}`) ? 0 : 1,
    used.has(`${each.file}#${each.name}`) ? 1 : 0,
    kinds.indexOf(each.kind),
  ];
  return candidates.toSorted((left, right) => compareRanks(rank(left), rank(right)));
}

/** Returns the places of the agents that other agents use. */
export function listUsed(candidates: readonly AgentCandidate[]): ReadonlySet<string> {
  return new Set(candidates.flatMap(({ uses }) => [...uses]));
}

function compareRanks(left: readonly number[], right: readonly number[]): number {
  const index = left.findIndex((value, position) => value !== right[position]);
  return index === -1 ? 0 : left[index]! - right[index]!;
}
