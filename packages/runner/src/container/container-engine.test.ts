import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ContainerEngine } from './container-engine.ts';

it.skipIf(process.platform === 'win32').each([
  ['Docker version 28.2.2, build e6534b4', 'docker'],
  ['podman version 4.3.1', 'podman'],
  ['podman-remote version 4.3.1', 'podman'],
  ['docker version 4.3.1', 'podman'], // Podman that was called by that name
])('an engine that says "%s" is %s', async (version, kind) => {
  const folder = await mkdtemp(join(tmpdir(), 'engine-'));
  try {
    const program = join(folder, 'docker');
    await writeFile(program, `#!/bin/sh\n[ "$1" = --version ] && echo "${version}"\n`);
    await chmod(program, 0o755);
    expect(await new ContainerEngine(program, { PATH: process.env['PATH']! }).kind()).toBe(kind);
  } finally {
    await rm(folder, { recursive: true });
  }
});
