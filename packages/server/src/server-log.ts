/** One thing that happened, for whoever operates the server. Holds no key, header or content. */
export interface ServerLogEntry {
  /** The time, in ISO 8601. */
  readonly time: string;
  readonly level: 'info' | 'warn';
  /** The kind of event: `listening`, `refused`, `failed`, `spans-rejected`, `key-added`, `key-revoked`, `draining`, `closed`. */
  readonly event: string;
  readonly [field: string]: string | number | boolean | undefined;
}

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Writes an entry as one line of JSON, without the control characters that JSON leaves and terminals obey. */
export function toLogLine(entry: ServerLogEntry): string {
  const json = JSON.stringify(entry);
  return `${json.replaceAll(/[\u007F-\u009F]/g, (each) => `\\u00${each.charCodeAt(0).toString(16)}`)}\n`;
}

/** Writes entries to the operator's log; a log that throws fails no request. */
export class ServerLog {
  readonly #log: ((entry: ServerLogEntry) => void) | undefined;

  constructor(log: ((entry: ServerLogEntry) => void) | undefined) {
    this.#log = log;
  }

  write(level: 'info' | 'warn', event: string, fields: LogFields = {}): void {
    try {
      this.#log?.({ ...fields, time: new Date().toISOString(), level, event });
    } catch {
      // The log is the operator's: a broken one must not affect requests.
    }
  }
}
