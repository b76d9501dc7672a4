/** Computes the expressions of a template. */
import { getAttribute, getItem, getSlice } from './attributes.ts';
import { applyFilter } from './filters.ts';
import { operate, sign } from './operators.ts';
import { pay, spend, workPerTurn } from './render-budget.ts';
import type { Scope } from './scope.ts';
import type { Argument, CallExpression, Expression, Identifier, MemberExpression, SliceExpression } from './syntax.ts';
import { templateError } from './template-error.ts';
import { answerTest } from './tests.ts';
import {
  Callable,
  Float,
  isTrue,
  itemsOf,
  keyOf,
  requireText,
  Tuple,
  typeName,
  Undefined,
  type Mapping,
  type Value,
} from './values.ts';

/** Names that mean the same everywhere, whatever variables there are. */
const constants: ReadonlyMap<string, Value> = new Map([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
]);

/** Returns the value of an expression. @throws {BackendError} `samples-invalid` | `checkpoint-unsupported` */
export function evaluate(node: Expression, scope: Scope): Value {
  spend(1);
  switch (node.type) {
    case 'IntegerLiteral':
      return BigInt(node.value);
    case 'FloatLiteral':
      return new Float(node.value);
    case 'StringLiteral':
      return node.value;
    case 'Identifier':
      return constants.has(node.value) ? (constants.get(node.value) as Value) : scope.get(node.value);
    case 'ArrayLiteral':
      return node.value.map((item) => evaluate(item, scope));
    case 'TupleLiteral':
      return new Tuple(node.value.map((item) => evaluate(item, scope)));
    case 'ObjectLiteral':
      return evaluateMapping(node.value, scope);
    case 'MemberExpression':
      return evaluateMember(node, scope);
    case 'CallExpression':
      return callValue(evaluate(node.callee, scope), ...evaluateArguments(node.args, scope));
    case 'FilterExpression':
      return filterValue(evaluate(node.operand, scope), node.filter, scope);
    case 'TestExpression':
      return answerTest(node.test.value, evaluate(node.operand, scope), []) !== node.negate;
    default:
      return evaluateOperation(node, scope);
  }
}

type Operation = Extract<
  Expression,
  { readonly type: 'UnaryExpression' | 'BinaryExpression' | 'SelectExpression' | 'Ternary' }
>;

function evaluateOperation(node: Operation, scope: Scope): Value {
  switch (node.type) {
    case 'UnaryExpression': {
      const value = evaluate(node.argument, scope);
      return node.operator.value === 'not' ? !isTrue(value) : sign(node.operator.value, value);
    }
    case 'BinaryExpression': {
      const left = evaluate(node.left, scope);
      const { value: operator } = node.operator;
      if (operator === 'and') return isTrue(left) ? evaluate(node.right, scope) : left;
      if (operator === 'or') return isTrue(left) ? left : evaluate(node.right, scope);
      return operate(operator, left, evaluate(node.right, scope));
    }
    case 'SelectExpression':
      if (isTrue(evaluate(node.test, scope))) return evaluate(node.lhs, scope);
      return new Undefined('the inline if-expression evaluated to false and no else section was defined.');
    case 'Ternary':
      return evaluate(isTrue(evaluate(node.condition, scope)) ? node.trueExpr : node.falseExpr, scope);
  }
}

function evaluateMapping(entries: ReadonlyMap<Expression, Expression>, scope: Scope): Mapping {
  const mapping: Mapping = new Map();
  for (const [key, value] of entries) mapping.set(keyOf(evaluate(key, scope)), evaluate(value, scope));
  return mapping;
}

function evaluateMember({ object, property, computed }: MemberExpression, scope: Scope): Value {
  const value = evaluate(object, scope);
  // Its methods and parts take as long as it is.
  if (typeof value === 'string') pay(value);
  if (property.type === 'SliceExpression') return pay(getSlice(value, evaluateBounds(property, scope)));
  if (computed || property.type !== 'Identifier') return getItem(value, evaluate(property, scope));
  return getAttribute(value, property.value);
}

function evaluateBounds({ start, stop, step }: SliceExpression, scope: Scope): [Value, Value, Value] {
  const bound = (expression: Expression | undefined): Value =>
    expression === undefined ? null : evaluate(expression, scope);
  return [bound(start), bound(stop), bound(step)];
}

/** Calls a value. */
export function callValue(callee: Value, positional: readonly Value[], named: ReadonlyMap<string, Value>): Value {
  if (callee instanceof Undefined) throw templateError(callee.reason);
  if (!(callee instanceof Callable)) throw templateError(`'${typeName(callee)}' object is not callable`);
  spend(workPerTurn);
  return pay(callee.call(positional, named));
}

/** Computes the arguments of a call: those without and those with a name. */
export function evaluateArguments(
  args: readonly Argument[],
  scope: Scope,
): readonly [readonly Value[], ReadonlyMap<string, Value>] {
  const positional: Value[] = [];
  const named = new Map<string, Value>();
  for (const argument of args) {
    if (argument.type === 'KeywordArgumentExpression') named.set(argument.key.value, evaluate(argument.value, scope));
    else if (argument.type === 'KeywordSpreadExpression') {
      const mapping = evaluate(argument.argument, scope);
      if (!(mapping instanceof Map))
        throw templateError(`argument after ** must be a mapping, not ${typeName(mapping)}`);
      for (const [key, value] of mapping) named.set(requireText(key, 'the name of an argument'), value);
    } else if (argument.type === 'SpreadExpression') {
      for (const item of itemsOf(evaluate(argument.argument, scope))) positional.push(item);
    } else positional.push(evaluate(argument as Expression, scope));
  }
  return [positional, named];
}

/** Applies a filter as a template names it. */
export function filterValue(value: Value, filter: Identifier | CallExpression, scope: Scope): Value {
  if (typeof value === 'string') pay(value);
  if (filter.type === 'Identifier') return pay(applyFilter(filter.value, value, [], new Map()));
  if (filter.callee.type !== 'Identifier') throw templateError('a filter needs a name');
  return pay(applyFilter(filter.callee.value, value, ...evaluateArguments(filter.args, scope)));
}
