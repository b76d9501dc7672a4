import { attributeNames, type Attributes, type Span } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { describeTrace } from './describe-trace.ts';

const operation = (sequenceId: number, name: string, attributes: Attributes): Span =>
  ({ kind: 'operation', name, sequenceId, attributes, status: { code: 'ok' } }) as unknown as Span;

describe('describeTrace', () => {
  it('leaves out what a judge scored, which is a reward', () => {
    const spans = [
      operation(1, 'search', { [attributeNames.operationOutput]: '["a"]' }),
      operation(2, 'judge', { [attributeNames.operationOutput]: '{"score":0.8}', [attributeNames.isJudge]: true }),
    ];
    expect(describeTrace(spans)).toBe('- search() returned ["a"]');
  });
});
