import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

/** Returns a new 256-bit key. */
export function mintKey(): string {
  return `agl-${randomBytes(32).toString('base64url')}`;
}

/** Returns the SHA-256 of a key, which is all that is kept of it. A fast hash is enough, for the key is random. */
export function hashKey(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}

/** Tells in constant time whether a presented key has the expected hash. */
export function isKey(presented: string | undefined, expectedHash: Buffer): boolean {
  return presented !== undefined && timingSafeEqual(hashKey(presented), expectedHash);
}

/** Returns the key that a request carries, in `Authorization: Bearer` or `x-api-key`. */
export function presentedKey(headers: Readonly<Record<string, string | string[] | undefined>>): string | undefined {
  const authorization = headers['authorization'];
  if (typeof authorization === 'string') {
    const [scheme, key] = authorization.trim().split(/\s+/u);
    if (scheme?.toLowerCase() === 'bearer' && key !== undefined) return key;
  }
  const plain = headers['x-api-key'];
  return typeof plain === 'string' ? plain : undefined;
}
