import type { Logger } from '@agent-lightning/core';

/** Writes lines on standard error, so that standard output stays the program's own. */
export function createConsoleLogger(stream: { write(text: string): unknown } = process.stderr): Logger {
  return {
    info: (message) => void stream.write(`${message}\n`),
    warn: (message) => void stream.write(`warning: ${message}\n`),
    error: (message) => void stream.write(`error: ${message}\n`),
  };
}
