import words from 'virtual:ailments';
import type { JSX } from 'preact';
import type { RunDetails } from '../../../src/api.ts';
import { Link } from '../router.tsx';
import { findEvidence, type EvidenceLink } from './evidence.ts';

/** Lists the findings of a run, each with links to its evidence. */
export function FindingList({ details }: { readonly details: RunDetails }): JSX.Element {
  return (
    <ul class="findings">
      {details.findings.map(({ code, step, message }) => (
        <li key={`${code}${message}`}>
          <p>
            <b>{code}</b>
            {words[code] === undefined ? '' : `: ${words[code]}`}
            {step === 0 ? '' : ` (since step ${step})`}
          </p>
          <p class="message">{message}.</p>
          <EvidenceLinks links={findEvidence(details, code, step)} />
        </li>
      ))}
    </ul>
  );
}

/** Shows links to what shows something, beside each other. */
export function EvidenceLinks({ links }: { readonly links: readonly EvidenceLink[] }): JSX.Element | undefined {
  if (links.length === 0) return undefined;
  return (
    <p class="evidence">
      {links.map(({ to, text }) => (
        <Link key={to} to={to}>
          {text}
        </Link>
      ))}
    </p>
  );
}
