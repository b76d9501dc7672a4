/** The words of an engine, or of the first process that it puts into a container, when a program cannot be started; by exit code. */
const faults: Readonly<Record<number, RegExp>> = {
  1: /^ERROR \(catatonit:\d+\): failed to exec .*/m,
  125: /^(?:docker|podman|Error): .*/m,
  126: /^(?:docker|podman|Error): .*|^\[FATAL tini .*/m,
  127: /^(?:docker|podman|Error): .*|^\[FATAL tini .*/m,
};

/** Returns why a container could not be started; undefined when the exit code is its own program's. */
export function findStartFault(exitCode: number | null, stderr: string): string | undefined {
  return exitCode === null ? undefined : faults[exitCode]?.exec(stderr)?.[0];
}
