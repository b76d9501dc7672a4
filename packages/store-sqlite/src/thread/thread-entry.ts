/** Runs in the store's thread: opens the file, then carries out each operation as it comes, and sends its reply. */
import { parentPort, workerData, type Transferable } from 'node:worker_threads';
import type { Span } from '@agent-lightning/core';
import { operationTable, type Operations } from '@agent-lightning/store';
import { openSqliteOperations } from '../sqlite-operations.ts';
import { borrowFunctions } from './caller-functions.ts';
import { carryError } from './carried-errors.ts';
import { openingId, type CallMessage, type FromThread, type ThreadStart, type ToThread } from './thread-protocol.ts';

const start = workerData as ThreadStart;
const port = parentPort!;
const running = new Set<Promise<void>>();
const waits = new Map<number, AbortController>();

let operations: Operations | undefined;
await answer(openingId, async () => {
  operations = await openSqliteOperations({ ...start.options, ...borrowFunctions(start.functions) });
});
if (operations !== undefined) listen(operations);

function listen(opened: Operations): void {
  port.on('message', (message: ToThread) => {
    if (message.kind === 'abort') return waits.get(message.id)?.abort();
    const answered = answer(message.id, () => run(opened, message), message.name === 'querySpans').then(() => {
      running.delete(answered);
    });
    running.add(answered);
  });
}

async function run(opened: Operations, { id, name, args }: CallMessage): Promise<unknown> {
  if (name === 'close') return close(opened);
  if (operationTable[name].kind !== 'wait') return opened.call(name, args);
  const abort = new AbortController();
  waits.set(id, abort);
  try {
    return await opened.call(name, args, abort.signal);
  } finally {
    waits.delete(id);
  }
}

/** Closes the store; its reply is the last one: whatever was under way has been answered before. */
async function close(opened: Operations): Promise<void> {
  const before = [...running];
  await opened.close();
  await Promise.all(before);
}

async function answer(id: number, work: () => Promise<unknown>, isSpans: boolean = false): Promise<void> {
  try {
    const reply = await work();
    send({ kind: 'done', id, reply }, isSpans ? tokenBuffers(reply as readonly Span[]) : []);
  } catch (error) {
    send({ kind: 'failed', id, error: carryError(error) });
  }
}

function send(message: FromThread, transferred: readonly Transferable[] = []): void {
  port.postMessage(message, transferred);
}

/** Returns the buffers of tokens, which were read for this reply alone: they move to the caller's thread instead of being copied there. */
function tokenBuffers(spans: readonly Span[]): readonly Transferable[] {
  const buffers = new Set<Transferable>();
  for (const { tokens } of spans)
    for (const array of tokens === undefined ? [] : [tokens.prompt, tokens.response, tokens.logprobs])
      buffers.add(array.buffer as ArrayBuffer);
  return [...buffers];
}
