import { writePromptFiles } from './prompt-files.ts';
import { promotedFile, promotedId, promotedVersionName, readPromptHistory } from './load-prompts.ts';
import { matchPiece, matchWhole } from './match-template.ts';
import { promptBody } from './prompt-call.ts';
import { checkFound, readWirePrompts, toPromptResources, toWatchResources } from './prompt-resources.ts';

interface PromptKit {
  readonly checkFound: typeof checkFound;
  readonly matchPiece: typeof matchPiece;
  readonly matchWhole: typeof matchWhole;
  readonly promptBody: typeof promptBody;
  readonly promotedFile: string;
  readonly promotedId: string;
  readonly promotedVersionName: string;
  readonly readPromptHistory: typeof readPromptHistory;
  readonly readWirePrompts: typeof readWirePrompts;
  readonly toPromptResources: typeof toPromptResources;
  readonly toWatchResources: typeof toWatchResources;
  readonly writePromptFiles: typeof writePromptFiles;
}

/** Holds what searches over prompts, commands and the gateway need of found prompts, beside `replacePrompts`: a user has no use for it. */
export const promptKit: PromptKit = Object.freeze({
  checkFound,
  matchPiece,
  matchWhole,
  promptBody,
  promotedFile,
  promotedId,
  promotedVersionName,
  readPromptHistory,
  readWirePrompts,
  toPromptResources,
  toWatchResources,
  writePromptFiles,
});
