/** A test that did not pass, with the first line of why. */
export interface FailedTest {
  readonly test: string;
  readonly why: string;
}

export interface SuiteResult {
  readonly passed: number;
  readonly failed: readonly FailedTest[];
}

/** Reads what pytest writes for JUnit: the names of the tests, and the message of each that did not pass, one that was skipped among them. */
export function readReport(xml: string): SuiteResult {
  const failed: FailedTest[] = [];
  let passed = 0;
  for (const written of xml.split('<testcase ').slice(1)) {
    const test = /(?:^|\s)name="([^"]*)"/u.exec(written)?.[1] ?? '';
    const [, outcome, facts = ''] = /<(failure|error|skipped)\b([^>]*)/u.exec(written) ?? [];
    if (outcome === undefined) {
      passed++;
      continue;
    }
    const message = unescape(/(?:^|\s)message="([^"]*)"/u.exec(facts)?.[1] ?? 'without a message');
    const why = message.split('\n')[0]?.slice(0, 160) ?? '';
    failed.push({ test, why: outcome === 'skipped' ? `skipped: ${why}` : why });
  }
  return { passed, failed };
}

function unescape(text: string): string {
  return text
    .replaceAll('&#10;', '\n')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&');
}
