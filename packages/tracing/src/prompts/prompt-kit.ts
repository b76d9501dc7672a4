import { writePromptFiles } from './prompt-files.ts';
import { matchPiece, matchWhole } from './wire/match-template.ts';
import { checkFound, toPromptResources, toWatchResources } from './wire/prompt-resources.ts';

/** Holds what searches over prompts and commands need of found prompts, beside `replacePrompts`: a user has no use for it. */
export const promptKit = Object.freeze({
  checkFound,
  matchPiece,
  matchWhole,
  toPromptResources,
  toWatchResources,
  writePromptFiles,
});
