/** Compares what is installed of a framework with what its adapter takes. */
import semver from 'semver';
import { findPackage } from './find-package.ts';
import type { Framework } from './frameworks.ts';

/** A package of a framework whose installed version the adapter does not take. */
export interface VersionFault {
  readonly name: string;
  readonly installed: string;
  /** The range that the adapter takes. */
  readonly range: string;
  readonly adapter: string;
}

/** A package of a framework that is installed. */
export interface InstalledPeer {
  readonly name: string;
  readonly installed: string;
  readonly range: string;
  readonly isTaken: boolean;
}

/** Lists the installed packages of a framework with the ranges of its adapter: of the installed one, else of the one that goes with this package. */
export function listPeers(framework: Framework, directory: string): readonly InstalledPeer[] {
  const ranges = findPackage(framework.adapter, directory)?.manifest.peerDependencies ?? framework.peers;
  return Object.entries(ranges).flatMap(([name, range]) => {
    const installed = findPackage(name, directory)?.version;
    if (installed === undefined) return [];
    // A pre-release of a version in the range is in it: whoever runs one has chosen it.
    const isTaken = semver.satisfies(installed, range, { includePrerelease: true });
    return [{ name, installed, range, isTaken }];
  });
}

/** Lists the installed packages of a framework that its adapter does not take. */
export function findVersionFaults(framework: Framework, directory: string): readonly VersionFault[] {
  return listPeers(framework, directory)
    .filter(({ isTaken }) => !isTaken)
    .map(({ name, installed, range }) => ({ name, installed, range, adapter: framework.adapter }));
}
