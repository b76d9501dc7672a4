import { ConfigurationError } from '@agent-lightning/core';

/** Reads the whole number that was given for an option of the command line. @throws {ConfigurationError} `option-invalid` */
export function readCount(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new ConfigurationError(`${name} must be a whole number; got ${text}`, { code: 'option-invalid' });
}
