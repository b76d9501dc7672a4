import { toTerminalText, type Logger } from '@agent-lightning/core';

/** Writes lines on standard error, so that standard output stays the program's own. What a terminal would obey is taken out of them. */
export function createConsoleLogger(stream: { write(text: string): unknown } = process.stderr): Logger {
  const write = (text: string): void => void stream.write(`${toTerminalText(text)}\n`);
  return {
    info: write,
    warn: (message) => write(`warning: ${message}`),
    error: (message) => write(`error: ${message}`),
  };
}

/** Returns a logger that hands on lines to another one, without what a terminal would obey: they may repeat what an agent wrote. */
export function cleanLogger(logger: Logger): Logger {
  return {
    info: (message) => logger.info(toTerminalText(message)),
    warn: (message) => logger.warn(toTerminalText(message)),
    error: (message) => logger.error(toTerminalText(message)),
  };
}
