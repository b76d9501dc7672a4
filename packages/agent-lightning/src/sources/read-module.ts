/** Reads what a module imports, declares and exports, as an ES module or as CommonJS, without running it. */
import type {
  AnyNode,
  AssignmentExpression,
  CallExpression,
  ExportNamedDeclaration,
  Expression,
  ImportDeclaration,
  Pattern,
  Program,
  VariableDeclarator,
} from 'acorn';

/** A name that another module gives: its export, `default`, or `*` for the whole module. */
export interface Imported {
  readonly from: string;
  readonly name: string;
}

/** Holds the names of one module. A value is the node that makes it: an expression, a function or a class. */
export interface ModuleNames {
  /** The path of the file, relative to the project. */
  readonly file: string;
  readonly isCommonJs: boolean;
  readonly imports: ReadonlyMap<string, Imported>;
  readonly declared: ReadonlyMap<string, AnyNode>;
  /** The exported values by the name of the export; `default` is what `module.exports = …` gives, too. */
  readonly exports: ReadonlyMap<string, AnyNode>;
  /** The statements at the top that are no declarations: they run when the module is imported. */
  readonly topLevel: readonly AnyNode[];
}

interface Draft {
  readonly imports: Map<string, Imported>;
  readonly declared: Map<string, AnyNode>;
  readonly exports: Map<string, AnyNode>;
  readonly topLevel: AnyNode[];
  isCommonJs: boolean;
}

/** Reads the names of a module out of its syntax tree. */
export function readModule(file: string, program: Program): ModuleNames {
  const draft: Draft = { imports: new Map(), declared: new Map(), exports: new Map(), topLevel: [], isCommonJs: false };
  for (const statement of program.body) readStatement(statement, draft);
  return { file, ...draft };
}

/** Adds what a list of statements declares, such as the body of a function. */
export function readDeclarations(statements: readonly AnyNode[]): ReadonlyMap<string, AnyNode> {
  const draft: Draft = { imports: new Map(), declared: new Map(), exports: new Map(), topLevel: [], isCommonJs: false };
  for (const statement of statements) readStatement(statement, draft);
  return draft.declared;
}

function readStatement(statement: AnyNode, draft: Draft): void {
  switch (statement.type) {
    case 'ImportDeclaration':
      return readImport(statement, draft);
    case 'VariableDeclaration':
      for (const declarator of statement.declarations) readDeclarator(declarator, draft);
      return;
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      if (statement.id !== null) draft.declared.set(statement.id.name, statement);
      return;
    case 'ExportNamedDeclaration':
      return readNamedExport(statement, draft);
    case 'ExportDefaultDeclaration':
      draft.exports.set('default', statement.declaration);
      return;
    case 'ExpressionStatement':
      if (statement.expression.type === 'AssignmentExpression') readAssignment(statement.expression, draft);
      draft.topLevel.push(statement);
      return;
    default:
      draft.topLevel.push(statement);
  }
}

function readImport({ source, specifiers }: ImportDeclaration, draft: Draft): void {
  for (const specifier of specifiers) {
    const name =
      specifier.type === 'ImportSpecifier'
        ? nameOf(specifier.imported)
        : specifier.type === 'ImportDefaultSpecifier'
          ? 'default'
          : '*';
    draft.imports.set(specifier.local.name, { from: String(source.value), name });
  }
}

function readDeclarator({ id, init }: VariableDeclarator, draft: Draft): void {
  const from = isNothing(init) ? undefined : requiredModule(init);
  if (from !== undefined) return readRequire(id, from, draft);
  if (id.type === 'Identifier' && !isNothing(init)) draft.declared.set(id.name, init);
}

/** Returns the module that a call of `require`, or of `import` as a function, names, also with a member behind it. */
function requiredModule(expression: Expression): Imported | undefined {
  if (expression.type === 'AwaitExpression') return requiredModule(expression.argument);
  if (expression.type === 'MemberExpression' && expression.property.type === 'Identifier') {
    const whole = expression.object.type === 'Super' ? undefined : requiredModule(expression.object);
    return whole === undefined ? undefined : { from: whole.from, name: expression.property.name };
  }
  const source =
    expression.type === 'ImportExpression'
      ? expression.source
      : isRequire(expression)
        ? expression.arguments[0]
        : undefined;
  return source?.type === 'Literal' && typeof source.value === 'string' ? { from: source.value, name: '*' } : undefined;
}

function isRequire(expression: Expression): expression is CallExpression {
  return (
    expression.type === 'CallExpression' &&
    expression.callee.type === 'Identifier' &&
    expression.callee.name === 'require'
  );
}

function readRequire(id: Pattern, { from, name }: Imported, draft: Draft): void {
  if (id.type === 'Identifier') draft.imports.set(id.name, { from, name });
  if (id.type !== 'ObjectPattern') return;
  for (const property of id.properties) {
    if (property.type === 'Property' && property.value.type === 'Identifier' && property.key.type === 'Identifier')
      draft.imports.set(property.value.name, { from, name: property.key.name });
  }
}

function readNamedExport({ declaration, specifiers, source }: ExportNamedDeclaration, draft: Draft): void {
  if (!isNothing(declaration)) {
    const before = new Set(draft.declared.keys());
    readStatement(declaration, draft);
    for (const [name, node] of draft.declared) if (!before.has(name)) draft.exports.set(name, node);
  }
  // What is passed on from another module is found there.
  if (isNothing(source))
    for (const { local, exported } of specifiers) draft.exports.set(nameOf(exported), local as AnyNode);
}

function nameOf(node: { readonly type: string; readonly name?: string; readonly value?: unknown }): string {
  return node.name ?? String(node.value);
}

/** Reads `module.exports = …`, `module.exports.name = …` and `exports.name = …`. */
function readAssignment({ left, right }: AssignmentExpression, draft: Draft): void {
  if (left.type !== 'MemberExpression' || left.property.type !== 'Identifier') return;
  const name = left.property.name;
  if (isModuleExports(left)) {
    draft.isCommonJs = true;
    draft.exports.set('default', right);
    for (const [key, value] of right.type === 'ObjectExpression' ? listProperties(right) : [])
      draft.exports.set(key, value);
  } else if (isModuleExports(left.object) || (left.object.type === 'Identifier' && left.object.name === 'exports')) {
    draft.isCommonJs = true;
    draft.exports.set(name, right);
  }
}

function isModuleExports(node: AnyNode): boolean {
  return (
    node.type === 'MemberExpression' &&
    node.object.type === 'Identifier' &&
    node.object.name === 'module' &&
    node.property.type === 'Identifier' &&
    node.property.name === 'exports'
  );
}

/** Returns the named properties of an object literal; spread ones have the name `...`. */
export function listProperties(node: AnyNode): readonly (readonly [string, AnyNode])[] {
  if (node.type !== 'ObjectExpression') return [];
  return node.properties.map((property) =>
    property.type === 'SpreadElement'
      ? (['...', property.argument] as const)
      : ([property.computed ? '' : nameOf(property.key as { type: string }), property.value] as const),
  );
}

/** Tells whether a part of a node is not there, which the parser writes as null or leaves out. */
function isNothing<Value>(value: Value | null | undefined): value is null | undefined {
  return value === null || value === undefined;
}
