import { execFileSync, spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export type EngineName = 'docker' | 'podman';

/** Tells whether an engine answers on this machine: Docker's daemon at `DOCKER_HOST` or its usual socket, Podman by itself. */
export function answers(engine: EngineName): boolean {
  return process.platform === 'linux' && spawnSync(engine, ['info']).status === 0;
}

export const image = 'agent-lightning-test-node:1';

/** Makes an image of this Node and the libraries that it is linked with: no registry is asked. */
export async function createNodeImage(engine: EngineName): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'node-image-'));
  try {
    const linked = execFileSync('ldd', [process.execPath], { encoding: 'utf8' });
    for (const [library] of linked.matchAll(/\/\S+/g)) {
      await mkdir(join(root, dirname(library)), { recursive: true });
      await cp(library, join(root, library), { dereference: true });
    }
    await cp(process.execPath, join(root, 'bin/node'), { dereference: true });
    const tar = execFileSync('tar', ['-C', root, '-c', '.'], { maxBuffer: 2 ** 30 });
    execFileSync(engine, ['import', '--change', 'ENTRYPOINT ["/bin/node"]', '-', image], { input: tar });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** Returns the address of this machine on the engine's own network; undefined where the engine has none. */
export function findBridge(engine: EngineName): string | undefined {
  const hosts = engine === 'docker' ? ['--add-host', 'host.docker.internal:host-gateway'] : [];
  const read = ['-p', 'require("node:fs").readFileSync("/etc/hosts", "utf8")'];
  const lines = execFileSync(engine, ['run', '--rm', ...hosts, image, ...read], { encoding: 'utf8' });
  return /^(\d+\.\d+\.\d+\.\d+)\s+host\.(?:docker|containers)\.internal$/m.exec(lines)?.[1];
}

/** Lists the containers, running or not, that have a label. */
export function listContainers(engine: EngineName, label: string): readonly string[] {
  const args = ['ps', '--all', '--quiet', '--filter', `label=${label}`];
  return execFileSync(engine, args, { encoding: 'utf8' }).split('\n').filter(Boolean);
}
