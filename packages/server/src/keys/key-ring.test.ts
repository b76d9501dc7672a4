import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeyRing } from '../index.ts';
import { readAgentKey, signAgentKey } from './agent-key.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keys-'));
  file = join(folder, 'keys.json');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a ring of keys', () => {
  it('takes texts as labels, and not long ones', async () => {
    for (const label of [{ a: 1 }, 'x'.repeat(201)])
      await expect(new KeyRing().add({ role: 'runner', label: label as string })).rejects.toMatchObject({
        code: 'option-invalid',
      });
  });

  it('knows a key by its hash alone, which is all that its file has, readable by its owner', async () => {
    const ring = new KeyRing({ file });
    const { key, id } = await ring.add({ role: 'runner', label: 'gpu-2' });
    expect(ring.identify(key)).toEqual({ role: 'runner', keyId: id });
    expect(ring.identify(`${key} `)).toBeUndefined();
    expect(readFileSync(file, 'utf8')).not.toContain(key);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(Buffer.from(key.slice('agl-runner-'.length), 'base64url').length).toBe(32);
  });

  it('takes what another process adds at once, what it revokes within a second, and ends a key in its time', async () => {
    let nowMs = 1_000_000;
    const now = (): number => nowMs;
    const serving = new KeyRing({ file, now });
    const other = new KeyRing({ file, now });
    const { key, id } = await other.add({ role: 'reader', expiresInMs: 5_000 });
    expect(serving.identify(key)?.role).toBe('reader');
    nowMs += 5_000;
    expect(serving.identify(key)).toBeUndefined();
    const { key: lasting, id: lastingId } = await other.add({ role: 'trainer' });
    expect(serving.identify(lasting)?.role).toBe('trainer');
    await other.revoke(lastingId);
    nowMs += 1_000;
    expect(serving.identify(lasting)).toBeUndefined();
    expect(serving.list().map((record) => record.id)).toEqual([id]);
    await expect(other.revoke('none')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('keeps its keys when its file becomes unreadable, and says so to who changes it', async () => {
    let nowMs = 0;
    const ring = new KeyRing({ file, now: () => nowMs });
    const { key } = await ring.add({ role: 'runner' });
    writeFileSync(file, '{"keys": "all"}');
    nowMs += 1_000;
    expect(ring.identify(key)?.role).toBe('runner');
    await expect(ring.add({ role: 'runner' })).rejects.toMatchObject({ code: 'option-invalid' });
    expect(() => new KeyRing({ file })).toThrow(/must have a list/);
  });

  it.each([
    'admin',
    'password1234',
    'x'.repeat(60),
    `${'ab'.repeat(30)}`,
    'has spaces in it and is long enough to be one key',
  ])('refuses a key that can be guessed: %s', async (key) => {
    await expect(new KeyRing().add({ role: 'admin', key })).rejects.toMatchObject({ code: 'option-invalid' });
  });
});

describe('the key of an agent', () => {
  const lease = { rolloutId: 'ro-1', attemptId: 'at-1', fencingToken: 7 };

  it('names its lease, for its time, to the ring that signed it', async () => {
    let nowMs = 0;
    const ring = new KeyRing({ file, now: () => nowMs });
    await ring.add({ role: 'admin' });
    const key = ring.mintAgentKey(lease, 1_000);
    expect(ring.identify(key)).toMatchObject({ role: 'agent', lease });
    // The next start of the server reads the same file.
    expect(new KeyRing({ file, now: () => nowMs }).identify(key)).toMatchObject({ role: 'agent', lease });
    expect(new KeyRing({ now: () => nowMs }).identify(key)).toBeUndefined();
    nowMs = 1_000;
    expect(ring.identify(key)).toBeUndefined();
  });

  it('is worth nothing with any other letter in it', () => {
    const secret = Buffer.alloc(32, 1);
    const key = signAgentKey(secret, { lease, expiresAtMs: 10 });
    expect(readAgentKey(secret, key, 0)?.lease).toEqual(lease);
    fc.assert(
      fc.property(fc.nat(key.length - 2), fc.constantFrom(...'aZ9_-.'), (at, letter) => {
        fc.pre(key[at] !== letter);
        expect(readAgentKey(secret, key.slice(0, at) + letter + key.slice(at + 1), 0)).toBeUndefined();
      }),
    );
  });
});
