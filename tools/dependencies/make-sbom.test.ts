import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeSbom, type Component } from './make-sbom.ts';
import type { LockEntry, LockFile } from './shipped-dependencies.ts';

const root = join(import.meta.dirname, '..', '..');
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as LockFile;
const folders = globSync('packages/*/package.json', { cwd: root }).map((file) => dirname(file).replaceAll('\\', '/'));

const manifests = folders.map(
  (folder) =>
    JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as LockEntry & { readonly license: string },
);

const licenceOf = ({ licenses = [] }: Component): string | undefined =>
  licenses.map(({ license, expression }) => license?.id ?? expression)[0];

// npm takes a second to make it: it is made once.
const made = makeSbom(lock, folders);

describe('the bill of materials', () => {
  it('has every package that is published and every dependency that one of them declares, each with its licence', async () => {
    const { bomFormat, components, dependencies } = await made;
    expect(bomFormat).toBe('CycloneDX');
    const listed = new Map(components.map((component) => [component['bom-ref'], component]));
    expect(components.filter((component) => licenceOf(component) === undefined)).toEqual([]);
    expect(manifests.length).toBeGreaterThan(20);
    for (const { name, version, license, dependencies: declared = {}, optionalDependencies = {} } of manifests) {
      const own = components.find((component) => component.name === name && component.version === version);
      expect(own && licenceOf(own), name).toBe(license);
      expect(own?.purl).toBe(`pkg:npm/${name!.replace('@', '%40')}@${version}`);
      const { dependsOn = [] } = dependencies.find(({ ref }) => ref === own?.['bom-ref']) ?? {};
      const found = dependsOn.map((ref) => listed.get(ref)?.name);
      for (const dependency of Object.keys({ ...declared, ...optionalDependencies }))
        expect(found, `what ${name} depends on`).toContain(dependency);
    }
    // What those need in turn is listed too: no arrow leads out of the list.
    expect(dependencies.flatMap(({ dependsOn }) => dependsOn).filter((ref) => !listed.has(ref))).toEqual([]);
  });

  it('has nothing that only tests and frameworks need', async () => {
    const { components } = await made;
    const names = components.map(({ name }) => name);
    expect(names).toContain('commander');
    for (const name of ['vitest', 'typescript', 'ai', '@mastra/core', '@openai/agents', '@langchain/core'])
      expect(names).not.toContain(name);
  });

  it('is not made of a lock file whose versions do not fit', async () => {
    const commander = lock.packages['node_modules/commander']!;
    const wrong = { packages: { ...lock.packages, 'node_modules/commander': { ...commander, version: '1.0.0' } } };
    await expect(makeSbom(wrong, folders)).rejects.toThrow('commander');
  });
});
