import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError } from '@agent-lightning/core';

/** The mean rewards of prompts, and of those that they were made of, on the same tasks. */
export interface PromptScores {
  readonly score?: number;
  readonly scoreBefore?: number;
}

/**
 * Writes each prompt into a directory as a file for people, `<name>.md`: its name and scores on top, then its text. Signs of a name that no file name may
 * have everywhere become `-`. @param own files of the directory that an earlier call wrote: they are replaced, or removed where they
 * are not needed; undefined for a directory in which all files are ours
 * @returns the names of the files @throws {ConfigurationError} `option-invalid`, before anything changes, where another file has a name that is needed
 */
export async function writePromptFiles(
  directory: string,
  texts: Readonly<Record<string, string>>,
  { score, scoreBefore }: PromptScores,
  own?: readonly string[],
): Promise<readonly string[]> {
  await mkdir(directory, { recursive: true });
  const files = Object.keys(texts).reduce<readonly string[]>((taken, name) => [...taken, nameFile(name, taken)], []);
  if (own !== undefined) await checkFree(directory, files, own);
  for (const file of own ?? []) await rm(join(directory, file), { force: true });
  for (const [index, [name, text]] of Object.entries(texts).entries()) {
    const head = [
      `prompt: ${JSON.stringify(name)}`,
      ...(score === undefined ? [] : [`score: ${score.toFixed(3)}`]),
      ...(scoreBefore === undefined ? [] : [`score before: ${scoreBefore.toFixed(3)}`]),
    ];
    await writeFile(join(directory, files[index]!), `---\n${head.join('\n')}\n---\n\n${text}\n`);
  }
  return files;
}

/** Tells whether a text is such a name of a file, without a path. */
export function isPromptFile(name: unknown): boolean {
  return typeof name === 'string' && /^[A-Za-z0-9_.-]*\.md$/.test(name);
}

async function checkFree(directory: string, files: readonly string[], own: readonly string[]): Promise<void> {
  const [needed, ours] = [files, own].map((names) => new Set(names.map((name) => name.toLowerCase())));
  const isForeign = (name: string): boolean => needed!.has(name.toLowerCase()) && !ours!.has(name.toLowerCase());
  const foreign = (await readdir(directory)).filter(isForeign);
  if (foreign.length > 0)
    throw new ConfigurationError(
      `${directory} has files that promoted prompts would replace and agent-lightning did not write: ${foreign.join(', ')}; move them, or name another directory`,
      { code: 'option-invalid' },
    );
}

function nameFile(name: string, taken: readonly string[]): string {
  const base = name.replaceAll(/[^A-Za-z0-9_.-]+/g, '-').slice(0, 100);
  let file = `${base}.md`;
  // Some file systems do not tell upper case from lower.
  const isTaken = (): boolean => taken.some((each) => each.toLowerCase() === file.toLowerCase());
  for (let number = 2; isTaken(); number += 1) file = `${base}-${number}.md`;
  return file;
}
