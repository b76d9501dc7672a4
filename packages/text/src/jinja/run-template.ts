/** Runs the statements of a template. */
import { callValue, evaluate, evaluateArguments, filterValue } from './evaluate.ts';
import { createMacro } from './macro.ts';
import { createLoop } from './loop.ts';
import { pay, spend, workPerTurn } from './render-budget.ts';
import { Scope } from './scope.ts';
import type { CallStatement, Expression, ForStatement, SetStatement, Statement } from './syntax.ts';
import { templateError } from './template-error.ts';
import { toText } from './text-form.ts';
import { isTrue, itemsOf, Namespace, type Value } from './values.ts';

/** The way in which statements end a turn of the loop around them; undefined when they do not. */
type LoopEnd = 'Break' | 'Continue' | undefined;

/** Returns what statements print. @throws {BackendError} `samples-invalid` | `checkpoint-unsupported` */
export function printStatements(statements: readonly Statement[], scope: Scope): string {
  const printed: string[] = [];
  runAll(statements, scope, printed);
  return pay(printed.join(''));
}

function runAll(statements: readonly Statement[], scope: Scope, printed: string[]): LoopEnd {
  for (const statement of statements) {
    const end = run(statement, scope, printed);
    if (end !== undefined) return end;
  }
  return undefined;
}

function run(statement: Statement, scope: Scope, printed: string[]): LoopEnd {
  spend(1);
  switch (statement.type) {
    case 'Comment':
      return undefined;
    case 'Break':
    case 'Continue':
      return statement.type;
    case 'If':
      return runAll(isTrue(evaluate(statement.test, scope)) ? statement.body : statement.alternate, scope, printed);
    case 'For':
      return runLoop(statement, scope, printed);
    case 'Set':
      return runSet(statement, scope);
    case 'Macro': {
      const { name, args, body } = statement;
      scope.set(name.value, createMacro(name.value, args, body, scope, printStatements));
      return undefined;
    }
    case 'CallStatement':
      printed.push(toText(runCall(statement, scope)));
      return undefined;
    case 'FilterStatement':
      printed.push(toText(filterValue(printStatements(statement.body, new Scope(scope)), statement.filter, scope)));
      return undefined;
    default:
      printed.push(toText(evaluate(statement, scope)));
      return undefined;
  }
}

function runLoop({ loopvar, iterable, body, defaultBlock }: ForStatement, scope: Scope, printed: string[]): undefined {
  const source = iterable.type === 'SelectExpression' ? iterable.lhs : iterable;
  const isWanted = (item: Value): boolean => {
    if (iterable.type !== 'SelectExpression') return true;
    const inner = new Scope(scope);
    assign(loopvar, item, inner);
    return isTrue(evaluate(iterable.test, inner));
  };
  const items = itemsOf(evaluate(source, scope)).filter(isWanted);
  const loopOf = createLoop(items);
  for (const [index, item] of items.entries()) {
    spend(workPerTurn);
    // What a turn sets ends with it.
    const inner = new Scope(scope);
    inner.set('loop', loopOf(index));
    assign(loopvar, item, inner);
    if (runAll(body, inner, printed) === 'Break') break;
  }
  if (items.length === 0) runAll(defaultBlock, new Scope(scope), printed);
  return undefined;
}

function runSet({ assignee, value, body }: SetStatement, scope: Scope): undefined {
  assign(assignee, value === null ? printStatements(body, new Scope(scope)) : evaluate(value, scope), scope);
  return undefined;
}

function assign(target: Expression, value: Value, scope: Scope): void {
  if (target.type === 'Identifier') return scope.set(target.value, value);
  if (target.type === 'TupleLiteral') {
    const items = itemsOf(value);
    if (items.length !== target.value.length)
      throw templateError(`${items.length} values cannot be unpacked into ${target.value.length} names`);
    for (const [index, part] of target.value.entries()) assign(part, items[index] as Value, scope);
    return undefined;
  }
  if (target.type !== 'MemberExpression' || target.property.type !== 'Identifier')
    throw templateError(`cannot assign to ${target.type}`);
  const object = evaluate(target.object, scope);
  if (!(object instanceof Namespace)) throw templateError('cannot assign attribute on non-namespace object');
  object.fields.set(target.property.value, value);
  return undefined;
}

/** Calls a macro with the statements of a block as its `caller`. */
function runCall({ call, callerArgs, body }: CallStatement, scope: Scope): Value {
  const [positional, named] = evaluateArguments(call.args, scope);
  const caller = createMacro('caller', callerArgs ?? [], body, scope, printStatements);
  return callValue(evaluate(call.callee, scope), positional, new Map([...named, ['caller', caller]]));
}
