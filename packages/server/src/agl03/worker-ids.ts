import { isId } from '@agent-lightning/store';

/** The name in our store of a worker that gave none. */
export const noWorker = 'agl03.nobody';

const encodedPrefix = 'agl03.x';

/** Returns the name under which our store keeps a worker of 0.3, whose name may be any text. */
export function toWorkerId(workerId: string | null): string {
  if (workerId === null) return noWorker;
  if (isId(workerId) && !workerId.startsWith('agl03.')) return workerId;
  const encoded = `${encodedPrefix}${Buffer.from(workerId).toString('base64url')}`;
  return encoded.length <= 200 ? encoded : `${encoded.slice(0, 190)}`;
}

/** Returns the name that a worker of our store has in 0.3. */
export function readWorkerId(workerId: string): string | null {
  if (workerId === noWorker) return null;
  return workerId.startsWith(encodedPrefix)
    ? Buffer.from(workerId.slice(encodedPrefix.length), 'base64url').toString()
    : workerId;
}
