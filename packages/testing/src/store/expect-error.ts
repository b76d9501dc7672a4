import { LightningError, type LightningErrorCode } from '@agent-lightning/core';
import { expect } from 'vitest';

/** Checks that a call rejects with an error of this project, its code, and a message that names the culprit. */
export async function expectError(
  call: Promise<unknown>,
  code: LightningErrorCode,
  message?: string | RegExp,
): Promise<void> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!LightningError.isInstance(error)) expect.fail(`expected a LightningError ${code}, got ${String(error)}`);
  expect({ code: error.code, message: error.message }).toMatchObject({ code });
  if (message !== undefined) expect(error.message).toMatch(message);
}

/** Returns how a call ended: `ok`, or the code of its error. */
export async function outcomeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'ok';
  } catch (error) {
    if (LightningError.isInstance(error)) return error.code;
    throw error;
  }
}
