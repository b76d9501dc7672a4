import { expect, it } from 'vitest';
import { readReport } from './read-report.ts';

it('counts a test that was skipped, or failed without a message, as one that did not pass', () => {
  const report = `<testsuites><testsuite tests="5">
    <testcase classname="a" name="test_good" time="0.1" />
    <testcase classname="a" name="test_bad[x]"><failure message="assert &lt;1&gt; == 2&#10;more">text</failure></testcase>
    <testcase classname="a" name="test_left_out"><skipped type="pytest.skip" message="no GPU">a.py:1: no GPU</skipped></testcase>
    <testcase classname="a" name="test_expected"><skipped type="pytest.xfail" message="" /></testcase>
    <testcase classname="a" name="test_broken"><error>fixture</error></testcase>
  </testsuite></testsuites>`;
  expect(readReport(report)).toEqual({
    passed: 1,
    failed: [
      { test: 'test_bad[x]', why: 'assert <1> == 2' },
      { test: 'test_left_out', why: 'skipped: no GPU' },
      { test: 'test_expected', why: 'skipped: ' },
      { test: 'test_broken', why: 'without a message' },
    ],
  });
});
