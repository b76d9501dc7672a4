import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { environmentOf, runProgram } from './run-program.ts';

/** What the route of the built server gave. */
export interface NextAnswers {
  readonly answered: unknown;
  readonly rollouts: unknown;
}

/** Builds a project of Next.js, starts the server, asks its route a question and then what was recorded, and stops it. */
export async function askNext(folder: string, baseUrl: string): Promise<NextAnswers> {
  const next = join('node_modules', 'next', 'dist', 'bin', 'next');
  await runProgram({ args: [next, 'build'], cwd: folder, baseUrl });
  const child = spawn(process.execPath, [next, 'start', '--port', '0'], {
    cwd: folder,
    env: environmentOf(baseUrl),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  try {
    const url = `http://localhost:${await readPort(child.stdout)}/api/ask`;
    const answered = await fetchJson(url, { method: 'POST', body: JSON.stringify({ question: 'What is new? #q1' }) });
    return { answered, rollouts: await fetchJson(url) };
  } finally {
    child.kill();
    await closed;
  }
}

/** Returns the port that the server prints when it listens. */
async function readPort(output: NodeJS.ReadableStream): Promise<string> {
  let port: string | undefined;
  const lines: string[] = [];
  for await (const line of createInterface({ input: output })) {
    lines.push(line);
    port ??= /localhost:(\d+)/.exec(line)?.[1];
    if (port !== undefined && line.includes('Ready')) return port;
  }
  throw new Error(`next start ended before it listened: ${lines.join('\n')}`);
}

async function fetchJson(url: string, init?: RequestInit): Promise<unknown> {
  const response = await fetch(url, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`);
  return JSON.parse(text);
}
