/** Receives the messages of a run; give your own to send it elsewhere. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}
