import { check, ConfigurationError } from '@agent-lightning/core';
import { CheckedStore } from '../checked-store.ts';
import { RemoteOperations } from './remote-operations.ts';

export interface RemoteStoreOptions {
  /** The server's address, such as `http://10.0.0.5:4747`. A key may stand before the host: `http://:KEY@10.0.0.5:4747`. */
  readonly url: string;
  /** A key of a role that may do what this side does: `trainer` to train, `runner` to run agents, `reader` to look. @default the one in `url` */
  readonly key?: string;
  /**
   * Sets for how long a call waits for a server that is away, before it rejects with `store-unavailable`, retryable. A server that
   * never answered is waited for at most 5 seconds. @default 20_000
   */
  readonly outageMs?: number;
}

/** A store at a server. Make it with `connectStore`. */
export class RemoteStore extends CheckedStore {
  /** The server's address, without a key. */
  readonly url: string;

  /** @internal */
  constructor(url: URL, key: string | undefined, outageMs: number) {
    // The watchdog runs where the data is.
    super(new RemoteOperations({ url, key, outageMs }), { watchdogIntervalMs: 0 });
    this.url = `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/u, '')}`;
  }
}

/**
 * Returns the store of a server (`agent-lightning serve`) as if it were in this process: the same methods, the same errors. Nothing is
 * sent before the first call. Calls made at once travel together, and a write whose answer is lost is sent again and done once.
 * @throws {ConfigurationError} `option-invalid`
 */
export function connectStore(options: RemoteStoreOptions): RemoteStore {
  check.knownOptions('connectStore', options, { url: true, key: true, outageMs: true });
  const url = URL.canParse(options.url) ? new URL(options.url) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new ConfigurationError(
      `connectStore: url must be an http or https address, such as http://127.0.0.1:4747, not "${String(options.url).slice(0, 80)}"`,
      { code: 'option-invalid' },
    );
  const key = options.key ?? (decodeURIComponent(url.password || url.username) || undefined);
  url.username = '';
  url.password = '';
  return new RemoteStore(url, key, check.timerMs('outageMs', options.outageMs ?? 20_000, 0));
}
