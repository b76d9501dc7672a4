import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { gpu } from './gpu.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Stands in for a worker: it listens, writes its process id down, rejects every request, and ends with its standard input. */
const refusingWorker = `
process.stdin.resume().on('end', () => process.exit());
const { createServer } = require('node:http');
const { appendFileSync } = require('node:fs');
const server = createServer((_, response) => response.writeHead(401).end('{"error":"no"}')).listen(0, '127.0.0.1', () => {
  appendFileSync(__dirname + '/processes', process.pid + '\\n');
  console.log(JSON.stringify({ listening: 'http://127.0.0.1:' + server.address().port }));
});
`;

it.skipIf(process.platform === 'win32')(
  'ends a worker that it cannot use, and starts another for the next call',
  async () => {
    const root = await mkdtemp(join(tmpdir(), 'gpu-'));
    const python = join(root, 'python');
    await writeFile(join(root, 'worker.cjs'), refusingWorker);
    await writeFile(python, `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'worker.cjs')}'\n`);
    await chmod(python, 0o755);
    const backend = gpu({ model: root, python, stateDirectory: join(root, 'state'), logger: silent });
    try {
      for (const tries of [1, 2]) {
        await expect(backend.capabilities()).rejects.toMatchObject({ code: 'unauthorized' });
        const processes = (await readFile(join(root, 'processes'), 'utf8')).trim().split('\n').map(Number);
        expect(new Set(processes).size).toBe(tries);
        for (const id of processes) expect(() => process.kill(id, 0)).toThrow('ESRCH');
      }
    } finally {
      await backend.close();
      await rm(root, { recursive: true });
    }
  },
);
