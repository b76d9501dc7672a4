/** Where a trainer says what happens; give your own to send it elsewhere. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** Lines on standard error, so that standard output stays the program's own. */
export function createConsoleLogger(stream: { write(text: string): unknown } = process.stderr): Logger {
  return {
    info: (message) => void stream.write(`${message}\n`),
    warn: (message) => void stream.write(`warning: ${message}\n`),
    error: (message) => void stream.write(`error: ${message}\n`),
  };
}
