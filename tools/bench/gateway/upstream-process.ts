/** A mock upstream in a process of its own: canned replies, the size chosen by the model's name. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cannedReply, replySizes, type ReplySize } from './replies.ts';

/** Events in one write: what an engine under load sends at once. */
const eventsPerWrite = 8;

const replies = new Map(Object.keys(replySizes).map((size) => [size, cannedReply(size as ReplySize)]));
const writes = new Map(
  [...replies].map(([size, { events }]) => [
    size,
    Array.from({ length: Math.ceil(events.length / eventsPerWrite) }, (_, index) =>
      Buffer.concat(events.slice(index * eventsPerWrite, (index + 1) * eventsPerWrite)),
    ),
  ]),
);

const server = createServer((request, response) => {
  let body = '';
  request.setEncoding('latin1').on('data', (chunk: string) => {
    body += chunk;
  });
  request.on('end', () => {
    const size = /"model":"(?<size>\w+)"/u.exec(body)?.groups?.['size'] ?? '12KB';
    if (body.includes('"stream":true')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const bytes of writes.get(size) ?? []) response.write(bytes);
      response.end();
    } else {
      const whole = replies.get(size)?.whole ?? Buffer.alloc(0);
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': whole.length }).end(whole);
    }
  });
});
/** Asked for its processor time so far. */
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ answer: (user + system) / 1_000 });
});
server.listen(0, '127.0.0.1', () =>
  process.send?.({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` }),
);
