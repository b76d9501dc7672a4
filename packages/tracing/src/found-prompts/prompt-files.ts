import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The mean rewards of prompts, and of those that they were made of, on the same tasks. */
export interface PromptScores {
  readonly score?: number;
  readonly scoreBefore?: number;
}

/**
 * Writes each prompt into a directory as a file for people, `<name>.md`: its name and scores on top, then its text. Signs of a name that no file name may
 * have everywhere become `-`.
 * @returns the names of the files
 */
export async function writePromptFiles(
  directory: string,
  texts: Readonly<Record<string, string>>,
  { score, scoreBefore }: PromptScores,
): Promise<readonly string[]> {
  await mkdir(directory, { recursive: true });
  const files: string[] = [];
  for (const [name, text] of Object.entries(texts)) {
    const file = nameFile(name, files);
    files.push(file);
    const head = [
      `prompt: ${JSON.stringify(name)}`,
      ...(score === undefined ? [] : [`score: ${score.toFixed(3)}`]),
      ...(scoreBefore === undefined ? [] : [`score before: ${scoreBefore.toFixed(3)}`]),
    ];
    await writeFile(join(directory, file), `---\n${head.join('\n')}\n---\n\n${text}\n`);
  }
  return files;
}

function nameFile(name: string, taken: readonly string[]): string {
  const base = name.replaceAll(/[^A-Za-z0-9_.-]+/g, '-').slice(0, 100);
  let file = `${base}.md`;
  // Some file systems do not tell upper case from lower.
  const isTaken = (): boolean => taken.some((each) => each.toLowerCase() === file.toLowerCase());
  for (let number = 2; isTaken(); number += 1) file = `${base}-${number}.md`;
  return file;
}
