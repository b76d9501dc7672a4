/** One thing that happened, for whoever operates the gateway. Holds no key, header, prompt or reply. */
export interface GatewayLogEntry {
  /** The time, in ISO 8601. */
  readonly time: string;
  readonly level: 'info' | 'warn';
  /** The kind of event: `call`, `rejected`, `published`, `routed`, `staleness-set`, `paused`, `resumed`, `attempt-opened`, `attempt-closed`, `server-left`, `server-joined`. */
  readonly event: string;
  readonly [field: string]: string | number | boolean | undefined;
}

/** Writes an entry as one line of JSON, without the control characters that JSON leaves and terminals obey. */
export function toLogLine(entry: GatewayLogEntry): string {
  const json = JSON.stringify(entry);
  return `${json.replaceAll(/[\u007F-\u009F]/g, (each) => `\\u00${each.charCodeAt(0).toString(16)}`)}\n`;
}

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Writes entries to the operator's log; a log that throws fails no call. */
export class GatewayLog {
  readonly #log: ((entry: GatewayLogEntry) => void) | undefined;

  constructor(log: ((entry: GatewayLogEntry) => void) | undefined) {
    this.#log = log;
  }

  info(event: string, fields: LogFields): void {
    this.#write('info', event, fields);
  }

  warn(event: string, fields: LogFields): void {
    this.#write('warn', event, fields);
  }

  #write(level: 'info' | 'warn', event: string, fields: LogFields): void {
    if (this.#log === undefined) return;
    try {
      this.#log({ ...fields, time: new Date().toISOString(), level, event });
    } catch {
      // The log is the operator's: a broken one must not affect agents.
    }
  }
}
