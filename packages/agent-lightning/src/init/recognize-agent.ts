/** Recognizes what the frameworks' own constructors and functions make, by where their names are imported from. */
import type { AnyNode, CallExpression, NewExpression } from 'acorn';
import type { AgentKind, RecognizedAgent } from './agent-candidate.ts';
import type { FrameworkId } from '../project/frameworks.ts';
import { readEntrypointInput, readSchemaFields, readStateInput } from './agent-input.ts';
import { listProperties, type Imported } from '../sources/read-module.ts';
import type { Placed } from '../sources/source-scope.ts';

/** The frameworks whose packages a name may come from. */
const origins: readonly (readonly [FrameworkId, RegExp])[] = [
  ['langgraph', /^(?:@langchain\/langgraph(?:$|\/|-)|langchain$|deepagents$)/],
  ['openai-agents', /^@openai\/agents(?:$|-core$)/],
  ['mastra', /^@mastra\/core(?:$|\/)/],
  ['ai-sdk', /^ai$/],
];

/** Returns what a value is, or undefined where it is nothing that a framework runs. */
export function recognizeAgent(placed: Placed, depth = 0): RecognizedAgent | undefined {
  if (depth > 20) return undefined;
  const { node, scope } = placed.scope.resolve(placed);
  const again = (inner: AnyNode): RecognizedAgent | undefined => recognizeAgent({ node: inner, scope }, depth + 1);
  switch (node.type) {
    case 'AwaitExpression':
      return again(node.argument);
    case 'LogicalExpression':
    case 'AssignmentExpression':
      return again(node.right);
    case 'NewExpression':
      return recognizeConstructed({ node, scope });
    case 'CallExpression':
      return recognizeCall({ node, scope }, again);
    default:
      return undefined;
  }
}

function originOf(imported: Imported | undefined): FrameworkId | undefined {
  return imported === undefined ? undefined : origins.find(([, pattern]) => pattern.test(imported.from))?.[0];
}

function describe(framework: FrameworkId, kind: AgentKind, more: Partial<RecognizedAgent> = {}): RecognizedAgent {
  return { framework, kind, input: { form: 'text' }, registered: [], ...more };
}

const agentClasses: ReadonlySet<string> = new Set(['Agent', 'ToolLoopAgent', 'Experimental_Agent', 'DurableAgent']);

function recognizeConstructed({ node, scope }: Placed<NewExpression>): RecognizedAgent | undefined {
  const imported = scope.findImport(node.callee);
  const framework = originOf(imported);
  if (framework === undefined || framework === 'langgraph') return undefined;
  if (framework === 'mastra' && imported!.name === 'Mastra')
    return describe(framework, 'instance', { registered: listRegistered({ node: node.arguments[0] ?? node, scope }) });
  return agentClasses.has(imported!.name) ? describe(framework, 'agent') : undefined;
}

/** Lists the keys of the agents in the options of a Mastra instance. */
function listRegistered(options: Placed): readonly string[] {
  const { node, scope } = options.scope.resolve(options);
  const given = listProperties(node).find(([name]) => name === 'agents')?.[1];
  if (given === undefined) return [];
  return listProperties(scope.resolve({ node: given, scope }).node).flatMap(([name]) => (name === '...' ? [] : [name]));
}

/** The methods that give the same graph or agent with other settings. */
const passingMethods: ReadonlySet<string> = new Set(['withConfig', 'bind', 'clone', 'addListener']);

type Again = (node: AnyNode) => RecognizedAgent | undefined;

function recognizeCall({ node, scope }: Placed<CallExpression>, again: Again): RecognizedAgent | undefined {
  const made = recognizeFunction({ node, scope });
  if (made !== undefined) return made;
  if (node.callee.type !== 'MemberExpression' || node.callee.property.type !== 'Identifier') return undefined;
  const method = node.callee.property.name;
  if (method === 'compile') return recognizeGraph({ node: node.callee.object, scope });
  if (method === 'create' && originOf(scope.findImport(node.callee.object)) === 'openai-agents')
    return describe('openai-agents', 'agent');
  if (passingMethods.has(method)) return again(node.callee.object);
  // createWorkflow({ … }).then(step).commit()
  const first = again(node.callee.object);
  return first?.kind === 'workflow' ? first : undefined;
}

function recognizeFunction({ node, scope }: Placed<CallExpression>): RecognizedAgent | undefined {
  const imported = scope.findImport(node.callee);
  const framework = originOf(imported);
  const [first, second] = node.arguments;
  if (framework === 'langgraph' && /^create(?:React|Deep)?Agent$/.test(imported!.name))
    return describe(framework, 'graph', { input: { form: 'messages' } });
  if (framework === 'langgraph' && imported!.name === 'entrypoint')
    return describe(framework, 'graph', { input: readEntrypointInput(second) });
  if (framework === 'mastra' && imported!.name === 'createWorkflow')
    return describe(framework, 'workflow', { input: readSchemaFields(first, 'inputSchema', scope) });
  return undefined;
}

/** Recognizes what is compiled: a chain of calls that begins with `new StateGraph(…)`, or with a function of a package such as `createSupervisor(…)`. */
function recognizeGraph(placed: Placed, depth = 0): RecognizedAgent | undefined {
  const { node, scope } = placed.scope.resolve(placed);
  if (depth > 200) return undefined;
  const again = (inner: AnyNode): RecognizedAgent | undefined => recognizeGraph({ node: inner, scope }, depth + 1);
  if (node.type === 'AwaitExpression') return again(node.argument);
  if (node.type === 'NewExpression' || (node.type === 'CallExpression' && node.callee.type !== 'MemberExpression')) {
    const imported = scope.findImport(node.callee);
    if (originOf(imported) !== 'langgraph') return undefined;
    const isState = imported!.name.endsWith('Graph') && imported!.name !== 'MessageGraph';
    const input = isState ? readStateInput(node.arguments[0], scope) : ({ form: 'messages' } as const);
    return describe('langgraph', 'graph', { input });
  }
  if (node.type === 'CallExpression' && node.callee.type === 'MemberExpression') {
    const imported = scope.findImport(node.callee);
    return originOf(imported) === 'langgraph' ? describe('langgraph', 'graph') : again(node.callee.object);
  }
  return undefined;
}
