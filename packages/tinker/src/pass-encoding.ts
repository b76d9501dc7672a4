/** Finds out in which encoding a server takes passes: old servers take JSON alone, newer ones protobuf alone. */
import { BackendError } from '@agent-lightning/core';
import type { Rejection } from './send-request.ts';
import { isMissingRoute, serverMessage } from './server-errors.ts';
import type { Submission } from './tinker-client.ts';

/** The form in which a pass is sent. */
export type PassEncoding = 'json' | 'protobuf';

/**
 * Submits one pass in an encoding.
 * @param returns500 true where a status of 500 is to be returned: a server may fail on an encoding that it does not know
 */
export type SubmitPass = (encoding: PassEncoding, returns500: boolean) => Promise<Submission>;

const others: Readonly<Record<PassEncoding, PassEncoding>> = { json: 'protobuf', protobuf: 'json' };
/** Statuses with which servers answer a protobuf message that they cannot read; some frameworks break on one. */
const unreadableStatuses: readonly number[] = [400, 404, 405, 415, 422, 500];

/** The encoding of one server's passes, which the first answer settles. */
export class PassEncodings {
  #encoding: PassEncoding;
  #isSettled = false;

  /** @param first the encoding that is tried first */
  constructor(first: PassEncoding) {
    this.#encoding = first;
  }

  /**
   * Submits a pass, and once more in the other encoding where the server rejected it without reading it.
   * @param what the operation, for errors
   * @throws {BackendError} `backend-failed` when the server takes neither encoding
   */
  async submit(what: string, send: SubmitPass): Promise<Submission> {
    const first = this.#encoding;
    // Every server can tell what it thinks of JSON, so JSON may follow an answer to protobuf that leaves the reason open.
    const isTrial = first === 'protobuf' && !this.#isSettled;
    const one = await send(first, isTrial);
    if (one.ok) return this.#settle(first, one);
    const second = others[first];
    const isRefusal = refusesEncoding(first, one);
    if (!isRefusal && !(isTrial && unreadableStatuses.includes(one.status))) return one;
    const two = await send(second, false);
    if (two.ok) return this.#settle(second, two);
    const refusesSecond = refusesEncoding(second, two);
    if (isRefusal && refusesSecond) throw neither(what, { [first]: one, [second]: two });
    if (isRefusal) return two;
    if (one.status !== 500) return one;
    if (!refusesSecond) return two;
    // The 500 was a failure like any other, for which the request is sent again.
    const again = await send(first, false);
    return again.ok ? this.#settle(first, again) : again;
  }

  #settle(encoding: PassEncoding, submission: Submission): Submission {
    this.#encoding = encoding;
    this.#isSettled = true;
    return submission;
  }
}

/** The words of servers that cannot read a body in this encoding. */
const complaints: Readonly<Record<PassEncoding, RegExp>> = {
  json: /protobuf/i,
  protobuf: /json|utf-?8|dictionary|decode/i,
};

/** Tells whether a rejection is about the encoding, not about what was sent. */
function refusesEncoding(encoding: PassEncoding, { status, body }: Rejection): boolean {
  if (status === 415 || isMissingRoute(status, body)) return true;
  return (status === 400 || status === 422) && complaints[encoding].test(serverMessage(body) ?? '');
}

function neither(what: string, rejections: Readonly<Record<string, Rejection>>): BackendError {
  const answers = Object.entries(rejections).map(
    ([encoding, { status, said }]) => `to ${encoding} ${status} (${said ?? 'no reason given'})`,
  );
  return new BackendError(
    `The training server takes ${what} neither as JSON nor as protobuf: it answered ${answers.join(', ')}. It speaks another version of the Tinker protocol; docs/gpu.md lists the versions that work.`,
    { code: 'backend-failed' },
  );
}
