import type { Finding } from './finding.ts';

/** Writes findings for a reader: a line for each, with what to do below it, and the verdict. */
export function describeFindings(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ check, status, found, advice }) => [
    `${status.padEnd(5)}  ${check.padEnd(9)}  ${found}`,
    ...(advice === undefined ? [] : [`${''.padEnd(18)}→ ${advice}`]),
  ]);
  const faults = findings.filter(({ status }) => status === 'fault');
  const names = [...new Set(faults.map(({ check }) => check))].join(', ');
  return [
    ...lines,
    '',
    faults.length === 0 ? 'No fault was found.' : `${faults.length} fault${faults.length === 1 ? '' : 's'}: ${names}.`,
  ].join('\n');
}
