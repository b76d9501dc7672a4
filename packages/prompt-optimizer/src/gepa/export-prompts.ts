import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { meanScore, type Texts } from '../candidates/candidate.ts';
import type { GepaState } from './gepa-state.ts';

/**
 * Writes the best prompts into a directory: `prompts/<name>.md` has the text of one, `prompts.json` all of them by name, and `candidates.json`
 * every candidate with its parents, its step and its rewards on the selection tasks.
 */
export async function exportPrompts(directory: string, best: Texts, { pool, selection }: GepaState): Promise<void> {
  await mkdir(join(directory, 'prompts'), { recursive: true });
  for (const [name, text] of Object.entries(best)) await writeFile(join(directory, 'prompts', `${name}.md`), text);
  await writeFile(join(directory, 'prompts.json'), `${JSON.stringify(best, undefined, 2)}\n`);
  const candidates = pool.map(({ id, step, parents, scores, texts }) => ({
    id,
    step,
    parents,
    score: meanScore({ scores }),
    scores,
    texts,
  }));
  await writeFile(join(directory, 'candidates.json'), `${JSON.stringify({ selection, candidates }, undefined, 2)}\n`);
}
