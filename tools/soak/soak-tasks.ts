import { seededRandom } from '@agent-lightning/core';

/** What goes wrong in one rollout of the soak. */
export const soakKinds = ['plain', 'busy', 'slow', 'cut', 'stalled', 'leaves', 'crashes', 'command'] as const;
export type SoakKind = (typeof soakKinds)[number];

/** The share of each kind, in percent. */
const shares: Readonly<Record<SoakKind, number>> = {
  plain: 50, // its calls are answered, as streams or whole
  busy: 15, // the upstream answers 429 or 500 first
  slow: 10, // the stream comes in pieces
  cut: 8, // the stream breaks
  stalled: 2, // nothing more comes
  leaves: 8, // the agent goes away in the middle of an answer
  crashes: 5, // the agent throws between two calls
  command: 2, // the agent is a command, and every other one crashes
};

/** The task of one rollout. A type, since it is stored as JSON. */
export type SoakTask = {
  /** The text that is in each of its calls, and in the answers to them, and in no other's. */
  readonly mark: string;
  readonly kind: SoakKind;
  readonly calls: number;
};

/** Makes the task of the rollout with this number: the same for the same seed. */
export function createSoakTask(seed: number, number: number): SoakTask {
  const random = seededRandom(seed, `soak/${number}`);
  let rest = random() * 100;
  const kind = soakKinds.find((each) => (rest -= shares[each]) < 0) ?? 'plain';
  return { mark: `<mark-${number}>`, kind, calls: 1 + Math.floor(random() * 3) };
}

/** The statuses with which a rollout of each kind may end. */
export const expectedStatus: Readonly<Record<SoakKind, readonly ('succeeded' | 'failed')[]>> = {
  plain: ['succeeded'],
  busy: ['succeeded'],
  slow: ['succeeded'],
  cut: ['failed'],
  stalled: ['failed'],
  leaves: ['succeeded'],
  crashes: ['failed'],
  command: ['succeeded', 'failed'],
};
