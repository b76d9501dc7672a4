import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StoredObject } from './object-store.ts';

/** The part of a pod's specification that a node carries out. */
export interface StoredPodSpec {
  readonly terminationGracePeriodSeconds: number;
  readonly containers: readonly {
    readonly name: string;
    readonly command: readonly string[];
    readonly args?: readonly string[];
    readonly env: readonly {
      readonly name: string;
      readonly value?: string;
      readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
    }[];
    readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  }[];
  readonly volumes?: readonly {
    readonly name: string;
    readonly secret: {
      readonly secretName: string;
      readonly items: readonly { readonly key: string; readonly path: string }[];
    };
  }[];
}

/** What a node knows of one pod's container. */
export interface PodProcess {
  readonly log: () => Buffer;
  /** Asks it to end, and ends it after the pod's grace period. */
  readonly end: () => void;
}

/** Runs the first container of a pod as a child of this process: its variables, those of Secrets, and its files. */
export function startPod(
  pod: StoredObject,
  readSecret: (name: string) => Readonly<Record<string, string>>,
  onState: (state: { running?: object; terminated?: { exitCode: number; reason?: string } }) => void,
): PodProcess {
  const spec = pod.spec as StoredPodSpec;
  const [container] = spec.containers;
  const folder = mkdtempSync(join(tmpdir(), 'job-pod-'));
  const paths = new Map<string, string>();
  for (const { name, mountPath } of container!.volumeMounts ?? []) {
    const { secret } = spec.volumes!.find((volume) => volume.name === name)!;
    for (const { key, path } of secret.items) {
      paths.set(`${mountPath}/${path}`, join(folder, path));
      writeFileSync(join(folder, path), Buffer.from(readSecret(secret.secretName)[key]!, 'base64'));
    }
  }
  const env: Record<string, string> = {};
  for (const { name, value = '', valueFrom } of container!.env) {
    const from = valueFrom?.secretKeyRef;
    env[name] = from === undefined ? (paths.get(value) ?? value) : decode(readSecret(from.name)[from.key]!);
  }
  // Kubernetes replaces $(NAME), and makes one of two dollars.
  const args = (container!.args ?? []).map((each) =>
    each.replace(/\$\$|\$\((\w+)\)/g, (found, name: string) => (found === '$$' ? '$' : (env[name] ?? found))),
  );
  const chunks: Buffer[] = [];
  const [command, ...rest] = [...container!.command, ...args];
  const child: ChildProcess = spawn(command!, rest, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout!.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr!.on('data', (chunk: Buffer) => chunks.push(chunk));
  onState({ running: { startedAt: new Date().toISOString() } });
  child.once('close', (code, signal) => {
    rmSync(folder, { recursive: true, force: true });
    const exitCode = code ?? (signal === 'SIGKILL' ? 137 : 143);
    onState({ terminated: { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error' } });
  });
  return {
    log: () => Buffer.concat(chunks),
    end: () => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), spec.terminationGracePeriodSeconds * 1_000);
      child.once('close', () => clearTimeout(timer));
    },
  };
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString();
}
