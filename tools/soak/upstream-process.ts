// The model server of the soak, in a process of its own. What it does wrong is asked for by the call's text: kind, mark and number of the call.
import { startModelServer, type ChatRequest, type ScriptedReply } from '@agent-lightning/testing';

/** Calls that were turned away once. */
const turnedAway = new Set<string>();

const server = await startModelServer({ respond });
console.log(`ready ${server.baseUrl}`);
process.on('disconnect', () => process.exit());
setInterval(() => {
  (server.calls as unknown[]).length = 0; // kept for assertions, of which there are none here
  // By number, not by time: on a busy machine a call comes back after a minute, and would be turned away again.
  if (turnedAway.size > 50_000) turnedAway.clear();
}, 10_000);

function respond({ messages }: ChatRequest): ScriptedReply {
  const text = String(messages.at(-1)?.content ?? '');
  const [kind] = text.split(' ', 1);
  const content = `you said ${text}, and this is the answer to it`;
  if (kind === 'busy' && !turnedAway.has(text)) {
    turnedAway.add(text);
    return { fault: { type: 'status', status: text.length % 2 === 0 ? 429 : 500 } };
  }
  if (kind === 'slow') return { content, delayMs: 200, chunkTokens: [1, 5] };
  if (kind === 'cut') return { content, fault: { type: 'cut', afterEvents: 3 } };
  // An agent that leaves does so while there is more to come.
  if (kind === 'stalled' || kind === 'leaves') return { content, fault: { type: 'stall', afterEvents: 3 } };
  return { content };
}
