/** Describes parsed templates, and parses them with the syntax of transformers' environment. */
import { parse, tokenize } from '@huggingface/jinja';

import { refuseChains } from './comparison-chains.ts';
import { rewriteTests } from './test-arguments.ts';

/** An expression, as the parser gives it. */
export type Expression =
  | { readonly type: 'IntegerLiteral' | 'FloatLiteral'; readonly value: number }
  | { readonly type: 'StringLiteral'; readonly value: string }
  | Identifier
  | { readonly type: 'ArrayLiteral' | 'TupleLiteral'; readonly value: readonly Expression[] }
  | { readonly type: 'ObjectLiteral'; readonly value: ReadonlyMap<Expression, Expression> }
  | MemberExpression
  | CallExpression
  | { readonly type: 'UnaryExpression'; readonly operator: Operator; readonly argument: Expression }
  | {
      readonly type: 'BinaryExpression';
      readonly operator: Operator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly type: 'FilterExpression'; readonly operand: Expression; readonly filter: Identifier | CallExpression }
  | {
      readonly type: 'TestExpression';
      readonly operand: Expression;
      readonly negate: boolean;
      readonly test: Identifier;
    }
  | SelectExpression
  | {
      readonly type: 'Ternary';
      readonly condition: Expression;
      readonly trueExpr: Expression;
      readonly falseExpr: Expression;
    };

interface Operator {
  readonly value: string;
}

export interface Identifier {
  readonly type: 'Identifier';
  readonly value: string;
}

export interface MemberExpression {
  readonly type: 'MemberExpression';
  readonly object: Expression;
  readonly property: Expression | SliceExpression;
  /** True for `a[b]`, false for `a.b`. */
  readonly computed: boolean;
}

export interface SliceExpression {
  readonly type: 'SliceExpression';
  readonly start?: Expression;
  readonly stop?: Expression;
  readonly step?: Expression;
}

export interface CallExpression {
  readonly type: 'CallExpression';
  readonly callee: Expression;
  readonly args: readonly Argument[];
}

/** `a if b` without an `else`; in a loop's iterable, the loop's own condition. */
export interface SelectExpression {
  readonly type: 'SelectExpression';
  readonly lhs: Expression;
  readonly test: Expression;
}

export type Argument =
  | Expression
  | KeywordArgument
  | { readonly type: 'SpreadExpression' | 'KeywordSpreadExpression'; readonly argument: Expression };

export interface KeywordArgument {
  readonly type: 'KeywordArgumentExpression';
  readonly key: Identifier;
  readonly value: Expression;
}

export type Parameter = Identifier | KeywordArgument;

export interface ForStatement {
  readonly type: 'For';
  readonly loopvar: Expression;
  readonly iterable: Expression;
  readonly body: readonly Statement[];
  readonly defaultBlock: readonly Statement[];
}

export interface SetStatement {
  readonly type: 'Set';
  readonly assignee: Expression;
  readonly value: Expression | null;
  readonly body: readonly Statement[];
}

export interface MacroStatement {
  readonly type: 'Macro';
  readonly name: Identifier;
  readonly args: readonly Parameter[];
  readonly body: readonly Statement[];
}

export interface CallStatement {
  readonly type: 'CallStatement';
  readonly call: CallExpression;
  readonly callerArgs: readonly Parameter[] | null;
  readonly body: readonly Statement[];
}

/** A statement; an expression among them is printed. */
export type Statement =
  | Expression
  | {
      readonly type: 'If';
      readonly test: Expression;
      readonly body: readonly Statement[];
      readonly alternate: readonly Statement[];
    }
  | ForStatement
  | SetStatement
  | MacroStatement
  | CallStatement
  | {
      readonly type: 'FilterStatement';
      readonly filter: Identifier | CallExpression;
      readonly body: readonly Statement[];
    }
  | { readonly type: 'Break' | 'Continue' | 'Comment' };

/** The function that {@link parseTemplate} lets a template call around what the assistant says. */
export const generationFunction = '__generation';

/**
 * Parses a template.
 *
 * Jinja2 reads every end of a line as a line feed, which the parser does not. The tag `generation`, in which training templates
 * enclose what the assistant says, becomes a call, since its variables end with it; the parser would drop the tag, and then
 * strip blanks from what follows it.
 *
 * @throws {Error} by the parser, for what it cannot parse
 */
export function parseTemplate(source: string): readonly Statement[] {
  const text = source
    .replaceAll(/\r\n?/g, '\n')
    .replaceAll(/(\{%[-+]?\s*)generation(\s*[-+]?%\})/g, `$1call ${generationFunction}()$2`)
    .replaceAll(/(\{%[-+]?\s*)endgeneration(\s*[-+]?%\})/g, '$1endcall$2');
  const tokens = tokenize(text, { lstrip_blocks: true, trim_blocks: true });
  refuseChains(tokens);
  const program = parse(rewriteTests(tokens));
  return program.body as unknown as readonly Statement[];
}
