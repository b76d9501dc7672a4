/** A mock upstream in a process of its own: canned replies, the size chosen by the model's name, written as they are. */
import { createServer, type AddressInfo } from 'node:net';
import { cannedReply, replySizes, type ReplySize } from './replies.ts';

/** Events in one chunk: what an engine under load sends at once. */
const eventsPerChunk = 8;

function chunked(events: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < events.length; at += eventsPerChunk) {
    const chunk = Buffer.concat(events.slice(at, at + eventsPerChunk));
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

function reply(type: string, framing: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\n${framing}\r\n\r\n`), body]);
}

const replies = new Map(
  Object.keys(replySizes).map((size) => {
    const { whole, events } = cannedReply(size as ReplySize);
    return [
      size,
      {
        whole: reply('application/json', `content-length: ${whole.length}`, whole),
        stream: reply('text/event-stream', 'transfer-encoding: chunked', chunked(events)),
      },
    ];
  }),
);

const server = createServer({ noDelay: true }, (socket) => {
  let text = '';
  socket.setEncoding('latin1').on('data', (piece: string) => {
    text += piece;
    const headEnd = text.indexOf('\r\n\r\n') + 4;
    const length = Number(/content-length: (\d+)/iu.exec(text)?.[1]);
    if (headEnd < 4 || text.length < headEnd + length) return;
    const canned = replies.get(/"model":"(?<size>\w+)"/u.exec(text)?.groups?.['size'] ?? '');
    if (canned === undefined) throw new Error(`no reply for ${text}`);
    socket.write(text.includes('"stream":true') ? canned.stream : canned.whole);
    text = '';
  });
  // The other end closes its connections as it likes.
  socket.on('error', () => socket.destroy());
});
/** Asked for its processor time so far. */
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ answer: (user + system) / 1_000 });
});
server.listen(0, '127.0.0.1', () =>
  process.send?.({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` }),
);
