import { expect, it } from 'vitest';
import { findStartFault } from './start-fault.ts';

it.each([
  [125, 'docker: Error response from daemon: No such image: agent:1.\nSee "docker run --help".'],
  [125, 'Error: agent:1: image not known'],
  [125, 'Error: crun: setrlimit `RLIMIT_NOFILE`: Operation not permitted: OCI permission denied'],
  [127, '[FATAL tini (7)] exec /not-there failed: No such file or directory'],
  [127, 'Error: runc: runc create failed: unable to start container process: exec: "/not-there": no such file'],
  [1, 'ERROR (catatonit:6): failed to exec pid1: No such file or directory'],
])('an engine that exits with %d and says "%s" could not start the container', (exitCode, stderr) => {
  expect(findStartFault(exitCode, `WARNING: something else\n${stderr}\n`)).toBe(stderr.split('\n')[0]);
});

it.each([
  [0, 'Error: of no weight'],
  [1, 'Error: no table'],
  [1, 'docker: of the agent'],
  [125, 'no table'],
  [137, ''],
  [null, 'docker: Error'],
])('a program that exits with %s and says "%s" was started', (exitCode, stderr) => {
  expect(findStartFault(exitCode, stderr)).toBeUndefined();
});
