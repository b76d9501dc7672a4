import { existsSync } from 'node:fs';

/** A command that could not be started. */
export interface FailedStart {
  /** The code of the system's error, such as `ENOENT`. */
  readonly code: string | undefined;
  readonly command: string;
  readonly cwd: string | undefined;
  /** @default this machine's */
  readonly platform?: NodeJS.Platform;
}

const scripts =
  "on Windows, npm, npx and their like are command scripts, which are not started: give the program behind, such as command: 'node' with the path of a .js file in args";

/** Returns why a command could not be started and what to do, or undefined where only the system knows. */
export function explainStart({ code, command, cwd, platform = process.platform }: FailedStart): string | undefined {
  const name = JSON.stringify(command);
  if (code === 'ENOENT' && cwd !== undefined && !existsSync(cwd))
    return `the working directory ${JSON.stringify(cwd)} does not exist`;
  if (code === 'ENOENT')
    return `the command ${name} was not found; give a path, or add it to the PATH${platform === 'win32' ? `; ${scripts}` : ''}`;
  if (code === 'EINVAL' && platform === 'win32' && /\.(?:cmd|bat)$/i.test(command))
    return `the command ${name} cannot be started; ${scripts}`;
  if (code === 'E2BIG')
    return `the arguments and the environment of ${name} are too long; give the task by taskIn: 'stdin'`;
  if (code === 'EACCES') return `the command ${name} may not be executed; check its permissions`;
  return undefined;
}
