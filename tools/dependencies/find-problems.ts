import type { ShippedDependency } from './shipped-dependencies.ts';

/** The licences, by their SPDX ids, that a package of ours may bring with it: those that ask for a notice, and no more. */
export const allowedLicences: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
]);

/** Returns a sentence for each dependency with a licence that is not allowed, and for each that runs a script when it is installed. */
export function findProblems(dependencies: readonly ShippedDependency[]): readonly string[] {
  return dependencies.flatMap(({ name, version, license, hasInstallScript, askedBy }) => {
    const who = `${name}@${version}, which ${askedBy} asks for,`;
    return [
      ...(isAllowed(license) ? [] : [`${who} has the licence ${license ?? '(none)'}, which is not on the list`]),
      ...(hasInstallScript ? [`${who} runs a script when it is installed`] : []),
    ];
  });
}

/** Tells whether one side of an `OR`, or all of an `AND`, is on the list. */
function isAllowed(license: string | undefined): boolean {
  if (license === undefined) return false;
  const plain = license.replaceAll(/[()]/g, '');
  return plain.split(' OR ').some((side) => side.split(' AND ').every((id) => allowedLicences.has(id.trim())));
}
