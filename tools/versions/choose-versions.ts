import { satisfies, sort } from 'semver';

/** A published version of a package, and what it asks of others. */
export interface Published {
  readonly version: string;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

export type VersionEnd = 'lowest' | 'newest';

/** Returns the version at one end of a range; undefined where no published one is in it. Pre-releases count only where there is nothing else. */
export function chooseEnd(published: readonly string[], range: string, end: VersionEnd): string | undefined {
  const inRange = sort(published.filter((version) => satisfies(version, range, { includePrerelease: true })));
  const releases = inRange.filter((version) => !version.includes('-'));
  return (releases.length > 0 ? releases : inRange).at(end === 'lowest' ? 0 : -1);
}

/**
 * Returns the version of a package that goes with others whose versions are set: the preferred one where its peer ranges allow
 * them, else the newest release that does.
 */
export function chooseCompanion(
  published: readonly Published[],
  preferred: string,
  pinned: Readonly<Record<string, string>>,
): string | undefined {
  const fits = ({ peerDependencies = {} }: Published): boolean =>
    Object.entries(peerDependencies).every(
      ([name, range]) => pinned[name] === undefined || satisfies(pinned[name], range),
    );
  const fitting = published.filter(fits).map(({ version }) => version);
  return fitting.includes(preferred) ? preferred : chooseEnd(fitting, '*', 'newest');
}
