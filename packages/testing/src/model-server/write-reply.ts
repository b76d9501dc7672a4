import type { ServerResponse } from 'node:http';
import type { ScriptedFault } from './scripted-reply.ts';

/** A reply as the parts that faults count: server-sent events, or the quarters of a body. */
export interface ReplyParts {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly parts: readonly Buffer[];
}

/** Resolves once the response can take more; false when the client has gone. */
function write(response: ServerResponse, bytes: Buffer): Promise<boolean> {
  if (response.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => response.write(bytes, (error) => resolve(error === undefined || error === null)));
}

function untilClosed(response: ServerResponse): Promise<void> {
  return response.destroyed ? Promise.resolve() : new Promise((resolve) => response.once('close', resolve));
}

async function repeat(response: ServerResponse, part: Buffer): Promise<void> {
  // A turn of the event loop between writes, so that an endless stream starves nobody.
  while (await write(response, part)) await new Promise((resolve) => setImmediate(resolve));
}

/** Sends a reply, whole or broken as the fault says. */
export async function writeReply(
  response: ServerResponse,
  reply: ReplyParts,
  fault: ScriptedFault | undefined,
  writeBytes: number | undefined,
): Promise<void> {
  if (fault?.type === 'reset') return void response.destroy();
  const stops =
    fault?.type === 'cut' || fault?.type === 'truncate' || fault?.type === 'stall' ? fault.afterEvents : undefined;
  if (fault?.type === 'stall' && stops === 0) return untilClosed(response);
  response.writeHead(reply.status, reply.headers);
  response.flushHeaders();
  const parts = fault?.type === 'endless' ? reply.parts.slice(0, 2) : reply.parts.slice(0, stops);
  for (const part of parts) {
    const size = writeBytes ?? part.length;
    for (let start = 0; start < part.length; start += size) {
      if (!(await write(response, part.subarray(start, start + size)))) return;
    }
  }
  if (fault?.type === 'endless') return repeat(response, reply.parts[1] ?? Buffer.from(': \n\n'));
  if (fault?.type === 'stall') return untilClosed(response);
  if (fault?.type === 'cut') return void response.destroy();
  response.end();
}
