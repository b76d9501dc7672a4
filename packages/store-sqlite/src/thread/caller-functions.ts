/** Keeps the functions among a store's options with the caller: the store's thread asks for each answer and waits for it. */
import { MessageChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import type { StoreOptions } from '@agent-lightning/store';
import { carryError, reviveError, type CarriedError } from './carried-errors.ts';

export type CallerFunctions = Pick<StoreOptions, 'now' | 'generateId'>;

/** Holds the thread's end of the line. */
export interface FunctionLine {
  readonly names: readonly (keyof CallerFunctions)[];
  readonly port: MessagePort;
  /** Holds one word: 0 while a question is open, 1 once its answer is in the port. */
  readonly answered: Int32Array<SharedArrayBuffer>;
}

interface Question {
  readonly name: keyof CallerFunctions;
  readonly args: readonly never[];
}

type Answer = { readonly value: unknown } | { readonly error: CarriedError };

/** Answers on the caller's thread; returns undefined when there is nothing to ask for. Keeps no process alive. */
export function lendFunctions(functions: CallerFunctions): FunctionLine | undefined {
  const names = (['now', 'generateId'] as const).filter((name) => functions[name] !== undefined);
  if (names.length === 0) return undefined;
  const { port1: here, port2: port } = new MessageChannel();
  const answered = new Int32Array(new SharedArrayBuffer(4));
  here.on('message', ({ name, args }: Question) => {
    try {
      const value: unknown = functions[name]?.(...(args as [never]));
      here.postMessage({ value } satisfies Answer);
    } catch (error) {
      here.postMessage({ error: carryError(error) } satisfies Answer);
    }
    Atomics.store(answered, 0, 1);
    Atomics.notify(answered, 0);
  });
  here.unref();
  return { names, port, answered };
}

/** Returns the functions as the store's thread calls them. */
export function borrowFunctions(line: FunctionLine | undefined): CallerFunctions {
  if (line === undefined) return {};
  const { names, port, answered } = line;
  const ask = (name: keyof CallerFunctions, args: readonly unknown[]): unknown => {
    Atomics.store(answered, 0, 0);
    port.postMessage({ name, args });
    Atomics.wait(answered, 0, 0);
    const answer = receiveMessageOnPort(port)?.message as Answer;
    if ('error' in answer) throw reviveError(answer.error);
    return answer.value;
  };
  return Object.fromEntries(names.map((name) => [name, (...args: readonly unknown[]) => ask(name, args)]));
}
