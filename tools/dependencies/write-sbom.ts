/**
 * Writes a list of all that an install of our packages brings (an SBOM, CycloneDX), without the frameworks. npm makes it, of an install of the
 * packages as they would be published.
 *
 *     npm run sbom -- FILE        (after `npm run build`)
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { packPackages, runNpm } from '../packed/pack-packages.ts';
import { servePackages } from '../packed/package-registry.ts';

const [file, ...more] = process.argv.slice(2);
if (file === undefined || more.length > 0) {
  console.error('sbom: name one file to write: npm run sbom -- sbom.cdx.json');
  process.exitCode = 2;
} else {
  const components = await writeSbom(resolve(file));
  console.log(`sbom: ${file} lists ${components} packages`);
}

/** Returns the number of packages that are in it. */
async function writeSbom(path: string): Promise<number> {
  const root = join(import.meta.dirname, '..', '..');
  const folder = mkdtempSync(join(tmpdir(), 'sbom-'));
  try {
    const [tarballs, app] = [join(folder, 'tarballs'), join(folder, 'app')];
    for (const directory of [tarballs, app]) mkdirSync(directory);
    const packages = (await packPackages(root, tarballs)).filter(({ manifest }) => isForUsers(manifest.name));
    const published = await runNpm(['config', 'get', 'registry'], root);
    await using registry = await servePackages(packages, published.trim());
    const dependencies = Object.fromEntries(packages.map(({ manifest }) => [manifest.name, manifest.version]));
    const manifest = { name: 'agent-lightning-packages', version: '0.0.0', private: true, dependencies };
    writeFileSync(join(app, 'package.json'), JSON.stringify(manifest));
    await runNpm(['install', '--package-lock-only', '--omit=peer', `--registry=${registry.url}`], app);
    const text = await runNpm(['sbom', '--sbom-format=cyclonedx', '--package-lock-only', '--omit=peer'], app);
    writeFileSync(path, text.replaceAll(registry.url, 'https://registry.npmjs.org/'));
    return (JSON.parse(text) as { readonly components: readonly unknown[] }).components.length;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The suites for makers of adapters and stores come with a test runner and are no part of an app. */
function isForUsers(name: string): boolean {
  return name !== '@agent-lightning/testing';
}
