import { ConfigurationError, LightningError, TrainerError } from '@agent-lightning/core';

const diskFullCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);
const notWritableCodes: ReadonlySet<string> = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'EEXIST',
  'ENAMETOOLONG',
  'EISDIR',
]);

/** Turns a file system's error into one that says what to do; returns other errors as they are. */
export function explainFileError(error: unknown, path: string): unknown {
  if (LightningError.isInstance(error)) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (diskFullCodes.has(code)) {
    return new TrainerError(
      `the disk is full: ${path} could not be written (${code}); free some space and resume the run`,
      { code: 'disk-full', retryable: true, cause: error },
    );
  }
  if (notWritableCodes.has(code)) {
    return new ConfigurationError(
      `${path} cannot be written (${code}); give a runDirectory that this user can write to`,
      { code: 'option-invalid', cause: error },
    );
  }
  return error;
}

/** Does file work; a full disk or a directory that cannot be written becomes a named error. */
export async function withFileErrors<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw explainFileError(error, path);
  }
}
