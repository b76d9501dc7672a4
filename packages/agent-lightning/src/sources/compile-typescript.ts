/** Compiles one TypeScript file of the user to JavaScript, as compilers do and Node alone does not. */
import type { AnyNode, ImportDeclaration, Program } from 'acorn';
import { parseSource, removeTypes } from './parse-source.ts';
import { walkNodes } from './walk-nodes.ts';

/** A compiled file. */
export interface CompiledSource {
  readonly text: string;
  /** True when it imports, exports or awaits at its top: then it is an ES module, whatever package.json says. */
  readonly isModule: boolean;
}

/**
 * Compiles a file, or returns undefined where it cannot be parsed. Types are removed, enumerations and the like are translated, and imported
 * names that no code mentions, which were types, are left out.
 * @throws {SyntaxError} for what is no TypeScript
 */
export function compileTypeScript(text: string): CompiledSource | undefined {
  const stripped = removeTypes(text);
  const program = parseSource('.js', stripped);
  if (program === undefined) return undefined;
  const isModule = hasModuleSyntax(program);
  const used = listUsedNames(program);
  return { text: addCommonJsNames(removeUnused(stripped, program, used), program, used), isModule };
}

function hasModuleSyntax({ body }: Program): boolean {
  const isTop = (node: AnyNode): boolean => /^(?:Import|Export).*Declaration$/.test(node.type);
  if (body.some(isTop)) return true;
  let found = false;
  for (const statement of body) {
    walkNodes(statement, (node) => {
      if (node.type === 'MetaProperty' && node.meta.name === 'import') found = true;
    });
    walkNodes(statement, (node) => {
      if (node.type === 'AwaitExpression') found = true;
      // What awaits within a function says nothing about the file.
      return !node.type.includes('Function');
    });
  }
  return found;
}

/** Lists the names that the code of a module mentions, without its imports, and without names of members. */
function listUsedNames(program: Program): ReadonlySet<string> {
  const used = new Set<string>();
  for (const statement of program.body) {
    if (statement.type === 'ImportDeclaration') continue;
    walkNodes(statement, (node, parent) => {
      if (node.type === 'Identifier' && !isMemberName(node, parent)) used.add(node.name);
    });
  }
  return used;
}

function isMemberName(node: AnyNode, parent: AnyNode | undefined): boolean {
  if (parent?.type === 'MemberExpression') return parent.property === node && !parent.computed;
  if (parent?.type === 'Property') return parent.key === node && !parent.computed && !parent.shorthand;
  return (
    (parent?.type === 'MethodDefinition' || parent?.type === 'PropertyDefinition') &&
    parent.key === node &&
    !parent.computed
  );
}

/** Removes imported names that are not used; an import without names stays, for what it does. Lines stay where they are. */
function removeUnused(text: string, program: Program, used: ReadonlySet<string>): string {
  let result = text;
  for (const statement of program.body.toReversed()) {
    if (statement.type !== 'ImportDeclaration' || statement.specifiers.length === 0) continue;
    const kept = statement.specifiers.filter(({ local }) => used.has(local.name));
    if (kept.length === statement.specifiers.length) continue;
    const written = text.slice(statement.start, statement.end);
    const lines = written.replaceAll(/[^\n]/g, '');
    const replacement = kept.length === 0 ? '' : writeImport(text, statement, kept);
    result = result.slice(0, statement.start) + replacement + lines + result.slice(statement.end);
  }
  return result;
}

function writeImport(text: string, { source, end }: ImportDeclaration, kept: ImportDeclaration['specifiers']): string {
  const slice = (node: AnyNode): string => text.slice(node.start, node.end).replaceAll('\n', ' ');
  const named = kept.filter(({ type }) => type === 'ImportSpecifier').map((each) => slice(each));
  const whole = kept.filter(({ type }) => type !== 'ImportSpecifier').map((each) => slice(each));
  const names = [...whole, ...(named.length === 0 ? [] : [`{ ${named.join(', ')} }`])].join(', ');
  return `import ${names} from ${text.slice(source.start, end).replaceAll('\n', ' ')}`;
}

/** Lists the names that a statement at the top of a module declares, exported or not. */
function listDeclaredNames(statement: AnyNode): readonly string[] {
  switch (statement.type) {
    case 'ImportDeclaration':
      return statement.specifiers.map(({ local }) => local.name);
    case 'ExportNamedDeclaration':
    case 'ExportDefaultDeclaration':
      return statement.declaration ? listDeclaredNames(statement.declaration) : [];
    case 'VariableDeclaration':
      return statement.declarations.flatMap(({ id }) => listBoundNames(id));
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      return statement.id === null ? [] : [statement.id.name];
    default:
      return [];
  }
}

/** Lists the names that a pattern gives values, such as `a` and `c` in `{ a, b: [c = d] }`. */
function listBoundNames(pattern: AnyNode | null): readonly string[] {
  switch (pattern?.type) {
    case 'Identifier':
      return [pattern.name];
    case 'ObjectPattern':
      return pattern.properties.flatMap((each) => listBoundNames(each.type === 'Property' ? each.value : each));
    case 'ArrayPattern':
      return pattern.elements.flatMap(listBoundNames);
    case 'AssignmentPattern':
      return listBoundNames(pattern.left);
    case 'RestElement':
      return listBoundNames(pattern.argument);
    default:
      return [];
  }
}

/** Gives a file that is written as an ES module and compiled to CommonJS elsewhere the names that it may use there. */
function addCommonJsNames(text: string, program: Program, used: ReadonlySet<string>): string {
  if (!hasModuleSyntax(program)) return text;
  const declared = new Set(program.body.flatMap(listDeclaredNames));
  const wants = (name: string): boolean => used.has(name) && !declared.has(name);
  const given = [
    ...(wants('__filename') ? ['const __filename = import.meta.filename;'] : []),
    ...(wants('__dirname') ? ['const __dirname = import.meta.dirname;'] : []),
    ...(wants('require')
      ? ['const require = process.getBuiltinModule("node:module").createRequire(import.meta.url);']
      : []),
  ];
  // Before the first line, so that lines stay where they are; imports run first all the same.
  return given.length === 0 ? text : `${given.join(' ')} ${text.replace(/^#!.*/, '')}`;
}
