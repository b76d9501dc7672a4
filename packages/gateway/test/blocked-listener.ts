import { readSync } from 'node:fs';
import { listen } from '../src/http/listen.ts';

// Listens, says where, and accepts nothing before a line comes in.
const { url } = await listen({
  host: '127.0.0.1',
  port: 0,
  allowedHosts: [],
  handle: (_request, response) => void response.end('here'),
});
process.stdout.write(`${url}\n`, () => {
  readSync(0, Buffer.alloc(1));
  process.stdin.on('end', () => process.exit()).resume();
});
