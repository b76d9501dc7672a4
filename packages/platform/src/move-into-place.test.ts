import { describe, expect, it } from 'vitest';
import { moveIntoPlace } from './move-into-place.ts';

/** Returns a rename that fails with a code so many times, and counts its calls. */
function failing(code: string, times: number) {
  const calls: [string, string][] = [];
  const rename = async (from: string, to: string): Promise<void> => {
    calls.push([from, to]);
    if (calls.length <= times) throw Object.assign(new Error(code), { code });
  };
  return { calls, rename };
}

async function move(platform: NodeJS.Platform, rename: (from: string, to: string) => Promise<void>): Promise<number> {
  let waitedMs = 0;
  const pause = async (ms: number): Promise<void> => void (waitedMs += ms);
  await moveIntoPlace('a', 'b', { platform, rename, pause });
  return waitedMs;
}

describe('a move', () => {
  it.each(['EPERM', 'EACCES', 'EBUSY'])(
    'is tried again on Windows while a file is open elsewhere: %s',
    async (code) => {
      const { calls, rename } = failing(code, 3);
      expect(await move('win32', rename)).toBeGreaterThan(0);
      expect(calls).toEqual(Array(4).fill(['a', 'b']));
    },
  );

  it('is given up on Windows after some seconds, with the error of the system', async () => {
    const { calls, rename } = failing('EPERM', Infinity);
    let waitedMs = 0;
    const pause = async (ms: number): Promise<void> => void (waitedMs += ms);
    const moved = moveIntoPlace('a', 'b', { platform: 'win32', rename, pause });
    await expect(moved).rejects.toMatchObject({ code: 'EPERM' });
    expect(calls).toHaveLength(14);
    expect(waitedMs).toBeGreaterThan(3_000);
    expect(waitedMs).toBeLessThan(10_000);
  });

  it.each([
    ['linux', 'EPERM'],
    ['darwin', 'EACCES'],
    ['win32', 'ENOENT'],
  ] as const)('fails at once on %s with %s', async (platform, code) => {
    const { calls, rename } = failing(code, 1);
    await expect(move(platform, rename)).rejects.toMatchObject({ code });
    expect(calls).toHaveLength(1);
  });
});
