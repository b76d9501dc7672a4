import { writePromptFiles } from './prompt-files.ts';
import { promotedFile, promotedId, readPromptHistory } from './load-prompts.ts';
import { matchPiece, matchWhole } from './match-template.ts';
import { checkFound, toPromptResources, toWatchResources } from './prompt-resources.ts';

interface PromptKit {
  readonly checkFound: typeof checkFound;
  readonly matchPiece: typeof matchPiece;
  readonly matchWhole: typeof matchWhole;
  readonly promotedFile: string;
  readonly promotedId: string;
  readonly readPromptHistory: typeof readPromptHistory;
  readonly toPromptResources: typeof toPromptResources;
  readonly toWatchResources: typeof toWatchResources;
  readonly writePromptFiles: typeof writePromptFiles;
}

/** Holds what searches over prompts and commands need of found prompts, beside `replacePrompts`: a user has no use for it. */
export const promptKit: PromptKit = Object.freeze({
  checkFound,
  matchPiece,
  matchWhole,
  promotedFile,
  promotedId,
  readPromptHistory,
  toPromptResources,
  toWatchResources,
  writePromptFiles,
});
