import { describe, expect, it, vi } from 'vitest';
import { processWide } from './process-wide.ts';

describe('processWide', () => {
  it('creates one value for each name, also when another copy of the package asks', async () => {
    const first = processWide('agentlightning.test-one.v1', () => new Set(['first']));
    vi.resetModules();
    const copy = await import('./process-wide.ts');
    expect(copy.processWide).not.toBe(processWide);
    const create = vi.fn(() => new Set(['second']));
    expect(copy.processWide('agentlightning.test-one.v1', create)).toBe(first);
    expect(create).not.toHaveBeenCalled();
    expect(copy.processWide('agentlightning.test-other.v1', create)).toEqual(new Set(['second']));
  });

  it('keeps nothing when the value cannot be created', () => {
    const fail = (): never => {
      throw new RangeError('no');
    };
    expect(() => processWide('agentlightning.test-fails.v1', fail)).toThrow(RangeError);
    expect(processWide('agentlightning.test-fails.v1', () => new Set())).toEqual(new Set());
  });
});
