/** Resolves names in a module and, over relative imports, in other modules of the project. */
import type { AnyNode } from 'acorn';
import type { Imported, ModuleNames } from './read-module.ts';
import { readDeclarations } from './read-module.ts';
import type { SourceIndex } from './source-index.ts';

/** A node together with the place where its names mean something. */
export interface Placed<Node extends AnyNode = AnyNode> {
  readonly node: Node;
  readonly scope: SourceScope;
}

export class SourceScope {
  readonly module: ModuleNames;
  readonly #index: SourceIndex;
  readonly #local: ReadonlyMap<string, AnyNode>;

  constructor(index: SourceIndex, module: ModuleNames, local: ReadonlyMap<string, AnyNode> = new Map()) {
    this.#index = index;
    this.module = module;
    this.#local = local;
  }

  /** Returns the scope within a function whose body has these statements. */
  inside(statements: readonly AnyNode[]): SourceScope {
    return new SourceScope(this.#index, this.module, new Map([...this.#local, ...readDeclarations(statements)]));
  }

  /** Returns the export of a package that a node names, such as `StateGraph` or `langgraph.StateGraph`, or undefined. */
  findImport(node: AnyNode): Imported | undefined {
    if (node.type === 'Identifier') return this.#local.has(node.name) ? undefined : this.module.imports.get(node.name);
    if (node.type !== 'MemberExpression' || node.property.type !== 'Identifier') return undefined;
    const whole = this.findImport(node.object);
    return whole?.name === '*' || whole?.name === 'default'
      ? { from: whole.from, name: node.property.name }
      : undefined;
  }

  /** Returns the value of a name, here or in the module that it is imported from; a node that is no name is its own value. */
  resolve({ node, scope }: Placed): Placed {
    if (node.type !== 'Identifier') return { node, scope };
    const found = scope.#local.get(node.name) ?? scope.module.declared.get(node.name);
    if (found !== undefined && found !== node) return this.resolve({ node: found, scope });
    return scope.#resolveImport(node.name) ?? { node, scope };
  }

  #resolveImport(name: string): Placed | undefined {
    const imported = this.module.imports.get(name);
    const target = imported === undefined ? undefined : this.#index.follow(this.module, imported.from);
    const value = target?.exports.get(imported!.name);
    if (target === undefined || value === undefined || target === this.module) return undefined;
    return this.resolve({ node: value, scope: new SourceScope(this.#index, target) });
  }

  /** Returns where a name comes from, as `file#name`, or undefined for what is no value of the project. */
  locate(name: string): string | undefined {
    if (this.module.declared.has(name)) return `${this.module.file}#${name}`;
    const imported = this.module.imports.get(name);
    const target = imported === undefined ? undefined : this.#index.follow(this.module, imported.from);
    const value = target?.exports.get(imported!.name);
    if (target === undefined || value === undefined) return undefined;
    const local = value.type === 'Identifier' ? value.name : nameOfValue(target, value);
    return `${target.file}#${local ?? imported!.name}`;
  }
}

/** Returns the name under which a module declares a value. */
export function nameOfValue(module: ModuleNames, value: AnyNode): string | undefined {
  return [...module.declared].find(([, node]) => node === value)?.[0];
}
