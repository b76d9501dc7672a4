import { check, ConfigurationError } from '@agent-lightning/core';
import { CheckedStore } from '../checked-store.ts';
import { Outbox, type OutboxOptions } from './outbox.ts';
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
  /**
   * Keeps the writes of attempts (spans, rewards, ends) in files of a folder while the server is away: they wait for as long as it takes, and the next
   * `connectStore` with this folder delivers what a process left that was killed meanwhile. @default none: they wait in memory, for `outageMs`
   */
  readonly outbox?: OutboxOptions;
}

/** A store at a server. Make it with `connectStore`. */
export class RemoteStore extends CheckedStore {
  /** The server's address, without a key. */
  readonly url: string;
  readonly #operations: RemoteOperations;

  /** @internal */
  constructor(url: URL, operations: RemoteOperations) {
    // The watchdog runs where the data is.
    super(operations, { watchdogIntervalMs: 0 });
    this.#operations = operations;
    this.url = url.href.replace(/\/+$/u, '');
  }

  /** Reads all that is stored there and returns what is wrong with it; takes a key of role `admin`. */
  checkIntegrity(): Promise<readonly string[]> {
    return this.#operations.call('checkIntegrity', []);
  }
}

/**
 * Returns the store of a server (`agent-lightning serve`) as if it were in this process: the same methods, the same errors. Nothing is
 * sent before the first call. Calls made at once travel together, and a write whose answer is lost is sent again and done once.
 * @throws {ConfigurationError} `option-invalid`
 */
export function connectStore(options: RemoteStoreOptions): RemoteStore {
  check.knownOptions('connectStore', options, { url: true, key: true, outageMs: true, outbox: true });
  const url = URL.canParse(options.url) ? new URL(options.url) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new ConfigurationError(
      `connectStore: url must be an http or https address, such as http://127.0.0.1:4747, not "${String(options.url).slice(0, 80)}"`,
      { code: 'option-invalid' },
    );
  const key = options.key ?? readKey(url);
  url.username = '';
  url.password = '';
  url.search = '';
  url.hash = '';
  const outageMs = check.timerMs('outageMs', options.outageMs ?? 20_000, 0);
  const outbox = options.outbox === undefined ? undefined : openOutbox(options.outbox);
  return new RemoteStore(url, new RemoteOperations({ url, key, outageMs, outbox }));
}

/** Returns the key before the host, where characters such as / are percent-encoded. */
function readKey(url: URL): string | undefined {
  try {
    return decodeURIComponent(url.password || url.username) || undefined;
  } catch (cause) {
    throw new ConfigurationError(
      'connectStore: the key before the host of the url has a % that encodes nothing; write it as %25, or give the key as key',
      { code: 'option-invalid', cause },
    );
  }
}

function openOutbox(options: OutboxOptions): Outbox {
  check.knownOptions('connectStore: outbox', options, { directory: true, maxBytes: true });
  if (options.maxBytes !== undefined) check.wholeNumber('outbox.maxBytes', options.maxBytes);
  try {
    return new Outbox(options);
  } catch (cause) {
    throw new ConfigurationError(
      `connectStore: the folder ${String(options.directory)} of the outbox cannot be made: ${(cause as Error).message}`,
      { code: 'option-invalid', cause },
    );
  }
}
