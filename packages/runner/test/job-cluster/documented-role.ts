import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { SeenRequest } from './job-cluster.ts';

interface Role {
  readonly kind: string;
  readonly rules: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

/** Names what a request needs: `batch/jobs: create`. */
export function rightOf({ group, resource, verb }: Pick<SeenRequest, 'group' | 'resource' | 'verb'>): string {
  return `${group}/${resource}: ${verb}`;
}

/** Returns the rights of the Role that the page on containers tells its readers to create. */
export function readDocumentedRights(): ReadonlySet<string> {
  const page = readFileSync(join(import.meta.dirname, '../../../../docs/how-to/containers.md'), 'utf8');
  const yaml = [...page.matchAll(/^```yaml\n(.*?)^```/gms)]
    .map(([, text]) => text!)
    .find((text) => text.includes('kind: Role\n'))!;
  const role = parseAllDocuments(yaml)
    .map((document) => document.toJS() as Role)
    .find(({ kind }) => kind === 'Role')!;
  return new Set(
    role.rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => rightOf({ group, resource, verb }))),
      ),
    ),
  );
}
