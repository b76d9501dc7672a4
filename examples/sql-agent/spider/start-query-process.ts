/** Starts a process that runs queries, and kills it when a query runs too long. */
import { fork } from 'node:child_process';
import { join } from 'node:path';

import type { QueryReply, QueryRequest, Starting } from './query-messages.ts';

const program = join(import.meta.dirname, 'query-process.ts');
/** The most that JavaScript may keep of results, in MiB. */
const heapMegabytes = 1024;

/** The reply, or why there is none and which statement ran then. */
export type Ended =
  | { readonly reply: QueryReply }
  | { readonly failure: string; readonly during: Starting['starting'] };

export interface QueryProcess {
  /** Does one job; the one before must have ended. */
  do(request: QueryRequest): Promise<Ended>;
  hasEnded(): boolean;
  end(): void;
}

/** Starts the process. It sees no environment variable, so no key. */
export function startQueryProcess(timeLimitMs: number): QueryProcess {
  const child = fork(program, {
    execArgv: ['--no-warnings', `--max-old-space-size=${heapMegabytes}`],
    env: {},
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  let current: ((ended: Ended) => void) | undefined;
  let during: Starting['starting'] = 'query';
  let timer: NodeJS.Timeout | undefined;
  let failure: string | undefined;

  const settle = (ended: Ended): void => {
    clearTimeout(timer);
    current?.(ended);
    current = undefined;
  };
  const fail = (reason: string): void => {
    failure ??= reason;
    child.kill('SIGKILL');
    settle({ failure, during });
  };
  child.on('exit', (code, signal) => fail(`its process ended (${signal ?? `exit code ${code}`})`));
  child.on('error', (error) => fail(`its process failed (${error.message})`));
  child.on('message', (message: Starting | QueryReply) => {
    if (!('starting' in message)) return settle({ reply: message });
    during = message.starting;
    clearTimeout(timer);
    timer = setTimeout(fail, timeLimitMs, `it ran longer than ${timeLimitMs} ms`);
  });
  return {
    do: (request) =>
      new Promise((resolve) => {
        if (failure !== undefined) return resolve({ failure, during: 'query' });
        current = resolve;
        during = request.kind === 'run' ? 'query' : 'gold';
        child.send(request);
      }),
    hasEnded: () => failure !== undefined,
    end: () => fail('it was ended'),
  };
}
