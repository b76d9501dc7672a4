import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promptKit } from '@agent-lightning/tracing';
import { meanScore, type Candidate, type Texts } from '../candidates/candidate.ts';

type Scored = Pick<Candidate, 'scores'>;

/**
 * Writes the best prompts into a directory: `prompts/<name>.md` has the text of one, with its score, `prompts.json` all of them by name, and
 * `candidates.json` what is known of every candidate. @param best the best prompts @param first the prompts as they are, undefined before they have run
 */
export async function exportPrompts(
  directory: string,
  best: Scored & { readonly texts: Texts },
  first: (Scored & { readonly texts: Texts }) | undefined,
  candidates: object,
): Promise<void> {
  const scores = first === undefined ? {} : { score: meanScore(best), scoreBefore: meanScore(first) };
  const before = first === undefined ? {} : { before: first.texts };
  await mkdir(directory, { recursive: true });
  await promptKit.writePromptFiles(join(directory, 'prompts'), best.texts, scores);
  await writeFile(join(directory, 'prompts.json'), `${JSON.stringify(best.texts, undefined, 2)}\n`);
  await writeFile(
    join(directory, 'candidates.json'),
    `${JSON.stringify({ ...scores, ...before, ...candidates }, undefined, 2)}\n`,
  );
}
