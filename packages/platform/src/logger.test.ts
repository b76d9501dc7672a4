import { expect, it } from 'vitest';
import { cleanLogger, createConsoleLogger } from './logger.ts';

const hostile = '\u001B[2Jgone\u0007 and\rover';

it('a line of the console logger has nothing that a terminal would obey', () => {
  const written: string[] = [];
  const logger = createConsoleLogger({ write: (text) => written.push(text) });
  logger.info(hostile);
  logger.warn(hostile);
  logger.error(hostile);
  expect(written).toEqual([
    'gone\\x07 and\\x0dover\n',
    'warning: gone\\x07 and\\x0dover\n',
    'error: gone\\x07 and\\x0dover\n',
  ]);
});

it("a user's own logger gets no such line either", () => {
  const told: string[] = [];
  const own = cleanLogger({
    info: (line) => told.push(line),
    warn: (line) => told.push(line),
    error: (line) => told.push(line),
  });
  own.info(hostile);
  own.warn(hostile);
  own.error(hostile);
  expect(told).toEqual(Array.from({ length: 3 }, () => 'gone\\x07 and\\x0dover'));
});
