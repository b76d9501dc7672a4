/** Lists the codes that errors can carry, as the sources have them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { listSources } from './read-interfaces.ts';

/** Lists the codes of the union `LightningErrorCode`. */
export function readDeclaredCodes(root: string): readonly string[] {
  const source = readFileSync(join(root, 'packages/core/src/errors.ts'), 'utf8');
  const union = /export type LightningErrorCode =([\s\S]*?);/.exec(source)?.[1] ?? '';
  return [...union.matchAll(/'([a-z-]+)'/g)].map(([, code]) => code!);
}

/** Lists the declared codes that no source of a package uses. */
export function findUnusedCodes(root: string): readonly string[] {
  const sources = listSources(root).filter((file) => file !== 'packages/core/src/errors.ts' && mayFail(file));
  const text = sources.map((file) => readFileSync(join(root, file), 'utf8')).join('\n');
  return readDeclaredCodes(root).filter((code) => !text.includes(`'${code}'`));
}

/** Maps every code that a source gives to an error, a failure or a reply to the first file that does so. */
export function readGivenCodes(root: string): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  for (const file of listSources(root).filter(mayFail)) {
    const source = readFileSync(join(root, file), 'utf8');
    for (const [, expression = ''] of source.matchAll(/\b(?:code|replyCode): (?=([^;}]{1,200}))/g))
      for (const code of codesOf(expression)) if (!given.has(code)) given.set(code, file);
  }
  return given;
}

/** Tells whether a source can throw at a user: the suites of `testing` only compare codes, and ailments are no errors. */
function mayFail(file: string): boolean {
  return !file.startsWith('packages/testing/') && !file.includes('/ailments/');
}

/** The statuses of spans, which are codes of OpenTelemetry. */
const spanStatuses = new Set(['ok', 'error', 'unset']);

/** Reads the codes out of `'a'`, `own ? 'a' : 'b'` or `codes[status] ?? 'a'`, up to the comma that ends them. */
function codesOf(expression: string): readonly string[] {
  const [value = ''] = expression.split(/,|\n\s*\w+:/);
  const codes = [...value.matchAll(/(?<![=!]=\s*)'([a-z0-9]+(?:[-_][a-z0-9]+)*)'(?! in|\])/g)].map(([, code]) => code!);
  return codes.filter((code) => !spanStatuses.has(code));
}
