import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readHistory } from '../../../promoted/prompt-place.ts';
import { isRunDirectory, readRunPrompts } from '../../../promoted/run-prompts.ts';
import { defineCommand, runAs, type Outcome } from '../../define-command.ts';
import { addPlaceArgument, findNamedPlace, type PlaceOptions } from './place-options.ts';

/** Adds `prompts list`. */
export function addListPromptsCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'list',
    summary: 'list the versions that were promoted, or the candidates of a run',
    examples: [
      ['agent-lightning prompts list', 'the versions in ./prompts, and which of them is served'],
      ['agent-lightning prompts list runs/a', 'the candidates of a run of gepa or apo, with their scores'],
    ],
  });
  addPlaceArgument(command);
  runAs<PlaceOptions>(command, async (invocation) => {
    const name = invocation.arguments[0]!;
    const run = resolve(invocation.terminal.directory, name);
    if (isRunDirectory(run)) return await listCandidates(run);
    const { versions, current } = await readHistory(findNamedPlace(invocation, name));
    const lines = versions.map(({ version, promotedAt, run: from, score, scoreBefore, texts }) => {
      const mark = version === current ? '*' : ' ';
      return `${mark} ${version}  ${promotedAt}  ${showScores(score, scoreBefore)}  ${Object.keys(texts).join(', ')}  from ${from}`;
    });
    const served = current === undefined ? 'No version is served: every text is as it stands in the code.' : '';
    return {
      text: [...lines, served].filter((line) => line !== '').join('\n'),
      json: { current: current ?? null, versions },
    };
  });
}

async function listCandidates(run: string): Promise<Outcome> {
  const { candidates, ...prompts } = await readRunPrompts(run);
  const lines = candidates.map(({ id, step, score }) => `${id}  step ${step}  ${score?.toFixed(3) ?? 'no score'}`);
  const names = Object.keys(prompts.texts).join(', ');
  return {
    text: [...lines, `The best ones: ${showScores(prompts.score, prompts.scoreBefore)}, of ${names}`].join('\n'),
    json: { ...prompts, candidates },
  };
}

/** Returns the scores of prompts in words. */
export function showScores(score: number | undefined, before: number | undefined): string {
  if (score === undefined) return 'no score';
  return `score ${score.toFixed(3)}${before === undefined ? '' : ` (before ${before.toFixed(3)})`}`;
}
