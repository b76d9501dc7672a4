import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Texts } from '../candidates/candidate.ts';

/**
 * Writes the best prompts into a directory: `prompts/<name>.md` has the text of one, `prompts.json` all of them by name, and `candidates.json`
 * what is known of every candidate.
 */
export async function exportPrompts(directory: string, best: Texts, candidates: object): Promise<void> {
  await mkdir(join(directory, 'prompts'), { recursive: true });
  for (const [name, text] of Object.entries(best)) await writeFile(join(directory, 'prompts', `${name}.md`), text);
  await writeFile(join(directory, 'prompts.json'), `${JSON.stringify(best, undefined, 2)}\n`);
  await writeFile(join(directory, 'candidates.json'), `${JSON.stringify(candidates, undefined, 2)}\n`);
}
