/** Reads what an agent takes, from the schema or the parameters in its source. */
import type { AnyNode, Function as FunctionNode } from 'acorn';
import type { AgentInput } from './agent-candidate.ts';
import { listProperties } from '../sources/read-module.ts';
import type { SourceScope } from '../sources/source-scope.ts';

const messages: AgentInput = { form: 'messages' };

/** Returns the input of a state graph: chat messages where its state has them, else the fields of the state. */
export function readStateInput(schema: AnyNode | undefined, scope: SourceScope): AgentInput {
  if (schema === undefined) return messages;
  // The long form of the argument names its schemas: { state, input }.
  const named = listProperties(schema).find(([name]) => name === 'input' || name === 'state' || name === 'stateSchema');
  const fields = listFields(named?.[1] ?? schema, scope);
  return fields.length === 0 || fields.includes('messages') ? messages : { form: 'fields', fields };
}

/** Returns the fields of the schema that an options object has under a key. */
export function readSchemaFields(options: AnyNode | undefined, key: string, scope: SourceScope): AgentInput {
  const schema = options === undefined ? undefined : listProperties(options).find(([name]) => name === key)?.[1];
  const fields = schema === undefined ? [] : listFields(schema, scope);
  return fields.length === 0 ? { form: 'text' } : { form: 'fields', fields };
}

/** Returns the input of a LangGraph entrypoint: a list of messages where its parameter is called so, else one text. */
export function readEntrypointInput(work: AnyNode | undefined): AgentInput {
  const parameter = isFunction(work) ? work.params[0] : undefined;
  if (parameter?.type === 'Identifier') return { form: /messages?$/i.test(parameter.name) ? 'message-list' : 'text' };
  const input = parameter === undefined ? undefined : readParameter(parameter);
  if (input?.form === 'fields' && input.fields.includes('messages')) return messages;
  return input ?? { form: 'text' };
}

/** Returns the input of a function by its first parameter: the fields that it takes apart, else one text. */
export function readParameter(parameter: AnyNode): AgentInput {
  const pattern = parameter.type === 'AssignmentPattern' ? parameter.left : parameter;
  if (pattern.type !== 'ObjectPattern') return { form: 'text' };
  const fields = pattern.properties.flatMap((property) =>
    property.type === 'Property' && property.key.type === 'Identifier' ? [property.key.name] : [],
  );
  return fields.length === 0 ? { form: 'text' } : { form: 'fields', fields };
}

export function isFunction(node: AnyNode | undefined): node is FunctionNode & AnyNode {
  return (
    node?.type === 'FunctionDeclaration' ||
    node?.type === 'FunctionExpression' ||
    node?.type === 'ArrowFunctionExpression'
  );
}

/** Lists the fields of a state or schema: `Annotation.Root({ … })`, `z.object({ … })`, `new StateSchema({ … })`, or one of LangGraph's own with messages. */
function listFields(schema: AnyNode, scope: SourceScope): readonly string[] {
  const imported =
    scope.findImport(schema) ?? scope.findImport(schema.type === 'MemberExpression' ? schema.object : schema);
  if (imported !== undefined && imported.name.startsWith('Messages')) return ['messages'];
  const placed = scope.resolve({ node: schema, scope });
  const { node } = placed;
  if (node.type === 'ObjectExpression') return listGivenFields(node, placed.scope);
  if (node.type === 'NewExpression')
    return node.arguments[0] === undefined ? [] : listFields(node.arguments[0], placed.scope);
  if (node.type !== 'CallExpression' || node.callee.type !== 'MemberExpression') return [];
  const { object, property } = node.callee;
  const own = node.arguments[0] === undefined ? [] : listFields(node.arguments[0], placed.scope);
  const isMaking = property.type === 'Identifier' && /^(?:Root|object|strictObject|looseObject)$/.test(property.name);
  // `schema.extend({ … })` and `schema.optional()` keep the fields of the schema.
  return isMaking ? own : [...listFields(object, placed.scope), ...own];
}

function listGivenFields(node: AnyNode, scope: SourceScope): readonly string[] {
  return listProperties(node).flatMap(([name, value]) => {
    if (name !== '...') return [name];
    return listFields(value.type === 'MemberExpression' ? value.object : value, scope);
  });
}
