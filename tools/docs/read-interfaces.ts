/** Reads interfaces and their comments out of TypeScript sources, as oxfmt formats them; rejects what it cannot read. */
import { globSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';

/** Describes one field of an interface. */
export interface Field {
  readonly name: string;
  readonly isOptional: boolean;
  readonly type: string;
  /** The text of its comment, without tags; empty where it has none. */
  readonly text: string;
  /** What stands behind `@default`; empty where there is none. */
  readonly defaultValue: string;
}

/** Describes an interface that a package exports from one of its files. */
export interface Interface {
  readonly package: string;
  readonly name: string;
  readonly text: string;
  /** Names the interfaces whose fields it has too, but for those omitted. */
  readonly parents: readonly { readonly name: string; readonly omitted: readonly string[] }[];
  /** Maps the names that its file imports from other packages to those packages. */
  readonly origins: ReadonlyMap<string, string>;
  /** Read when it is asked for. @throws {SyntaxError} for a member that this reader does not know */
  readonly fields: readonly Field[];
}

/** Lists the exported interfaces of every package, or of the named ones. */
export function readInterfaces(root: string, packages = '*'): readonly Interface[] {
  return listSources(root, packages).flatMap((file) => readFile(root, file));
}

/** Lists the sources of packages but for their tests, by their path within the workspace. */
export function listSources(root: string, packages = '*'): readonly string[] {
  return globSync(`packages/${packages}/src/**/*.ts`, { cwd: root })
    .filter((file) => !/\.(?:test|test-d)\.ts$/.test(file))
    .map((file) => file.split(sep).join('/'))
    .toSorted();
}

const heads =
  /(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?export interface (\w+)(?:<[^{]*?>)?\s*(?:extends ([^{]+?))? \{(\}?)\n/g;

function readFile(root: string, file: string): readonly Interface[] {
  const source = readFileSync(join(root, file), 'utf8');
  const origins = readOrigins(source);
  return [...source.matchAll(heads)].map((match) => {
    const [head, comment = '', name = '', parents = '', isEmpty] = match;
    const start = match.index + head.length;
    const body = isEmpty === '}' ? '' : source.slice(start, source.indexOf('\n}', start - 1));
    return {
      package: file.split('/')[1]!,
      name,
      text: readComment(comment).text,
      parents: readParents(parents),
      origins,
      get fields() {
        return readFields(body, `${file}: ${name}`);
      },
    };
  });
}

function readOrigins(source: string): ReadonlyMap<string, string> {
  const imports = [...source.matchAll(/import (?:type )?\{([^}]*)\} from '@agent-lightning\/([\w-]+)'/g)];
  return new Map(
    imports.flatMap(([, names = '', owner = '']) =>
      (names.match(/\w+(?=\s*(?:,|$))/g) ?? []).map((name) => [name, owner] as const),
    ),
  );
}

/** Reads what stands behind `extends`, such as `Partial<A>, Omit<B<Task>, 'c' | 'd'>`. */
function readParents(text: string): Interface['parents'] {
  return [...text.matchAll(/(?:(?:Omit|Partial)<)?([A-Z]\w*)(?:<\w+>)?((?:[,|] ?'\w+' ?)*)>?/g)].map(
    ([, name = '', omitted = '']) => ({
      name,
      omitted: omitted.match(/\w+/g) ?? [],
    }),
  );
}

const members =
  /^(?: {2}(\/\*\*(?:(?!\*\/)[\s\S])*\*\/)\n)? {2}([^\s}/*](?:[\s\S]*?[^\n])?);(?=\n {0,2}[^\s}]|\n\n|\n?(?![\s\S]))/gm;

function readFields(body: string, place: string): readonly Field[] {
  const fields = [...body.matchAll(members)].map(([, comment = '', member = '']) => {
    const named = /^(?:readonly )?(\w+)(\?)?(?=[:(<])/.exec(member);
    if (named === null) throw new SyntaxError(`${place}: cannot read the member ${JSON.stringify(member)}`);
    const [, name = '', optional] = named;
    const type = member.slice(named[0].length).replace(/^:/, '').replaceAll(/\s+/g, ' ').trim();
    return { name, isOptional: optional === '?', type, ...readComment(comment) };
  });
  const rest = body.replaceAll(members, '').replaceAll(/ {2}\/\/.*/g, '');
  if (rest.trim() !== '') throw new SyntaxError(`${place}: cannot read ${JSON.stringify(rest.trim())}`);
  return fields;
}

function readComment(comment: string): { readonly text: string; readonly defaultValue: string } {
  const content = comment
    .replaceAll(/^\s*(?:\/\*\*|\*(?!\/)) ?|\s*\*\/\s*$/gm, '')
    .replaceAll(/\{@link (\w+)(?:\.(\w+))?\}/g, (_all, name: string, member?: string) => `\`${member ?? name}\``)
    .replaceAll(/\s*\n\s*/g, ' ');
  // The space is for a comment that begins with a tag: a text is not split at its first character.
  const [text = '', ...tags] = ` ${content}`.split(/(?=@(?:default|throws|see|source|example|param)\b)/);
  const found = tags.find((tag) => tag.startsWith('@default'));
  return { text: text.trim(), defaultValue: found?.slice('@default'.length).trim() ?? '' };
}
