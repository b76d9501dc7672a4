/** The exit codes of every command. Those of a verdict are `verdictExitCodes` of the trainer. */
export const exitCodes: Readonly<{
  /** The command did its work, and its answer, where it gives one, is yes or better. */
  ok: 0;
  /** The command failed; of `doctor`: a fault was found. */
  failed: 1;
  /** The command line is wrong. */
  usage: 2;
  /** The answer is no: worse, or not ready; of `train`: a limit was reached before the end. */
  no: 3;
  /** The answer cannot be told from the data. */
  cannotTell: 4;
  /** Ctrl+C ended the command. */
  interrupted: 130;
}> = Object.freeze({
  ok: 0,
  failed: 1,
  usage: 2,
  no: 3,
  cannotTell: 4,
  interrupted: 130,
});

/** Describes the exit codes, for the help of the program. */
export const exitCodesText: string = `Exit codes:
  0    done; for a question: yes, or better
  1    failed; doctor: a fault was found
  2    wrong usage
  3    the answer is no: worse, not ready; train: a limit was reached
  4    the answer cannot be told
  130  interrupted`;
