import { check, type LightningStore } from '@agent-lightning/core';
import { checkAdminKey } from './http/admin-key.ts';
import { serve } from './http/serve.ts';
import { findRunPlace } from './runs/find-runs.ts';
import { DirectoryShelf, StoreShelf, type RunShelf } from './runs/run-shelf.ts';

export interface DashboardOptions {
  /**
   * Names what is shown: a run directory, a folder with run directories in it or in its folder `runs`, or a store alone with the title that the pages give it. The
   * caller closes a store of its own.
   */
  readonly source: string | { readonly store: LightningStore; readonly title: string };
  /**
   * The store of runs that keep their rollouts elsewhere, as in PostgreSQL: where a run directory has no `store.sqlite`, they are read
   * there, by the id of the run. The caller closes it. For a source that is a directory. @default none
   */
  readonly store?: LightningStore;
  /** Chooses the port on the loopback, 0 for any free one. @default 0 */
  readonly port?: number;
  /**
   * Lets requests with `authorization: Bearer KEY` write a reader's notes into the run directory; at least 32 characters. The pages take
   * it from the address that they are opened by, `URL/#key=KEY`. @default none: nothing can be written
   */
  readonly adminKey?: string;
}

/** A dashboard that is served. */
export interface Dashboard {
  /** The address, such as `http://127.0.0.1:4646`. */
  readonly url: string;
  /** Stops serving, and closes what was opened for it. */
  close(): Promise<void>;
}

/**
 * Serves pages that show runs, to browsers on this machine only. Nothing is written but a reader's notes, and those with the admin key only;
 * a run may go on meanwhile.
 * @throws {ConfigurationError} `option-invalid` for a source that is not there, and a port that is taken
 */
export async function startDashboard(options: DashboardOptions): Promise<Dashboard> {
  check.knownOptions('startDashboard', options, { source: true, store: true, port: true, adminKey: true });
  const { source, port = 0 } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw check.optionInvalid('port', port, 'a whole number from 0 to 65535');
  const adminKey = checkAdminKey(options.adminKey);
  const shelf = openShelf(source, options.store);
  try {
    const listening = await serve(shelf, port, adminKey);
    return {
      url: listening.url,
      close: async () => {
        await listening.close();
        await shelf.close();
      },
    };
  } catch (error) {
    await shelf.close();
    throw error;
  }
}

function openShelf(source: DashboardOptions['source'], store: LightningStore | undefined): RunShelf {
  if (typeof source === 'string') return new DirectoryShelf(findRunPlace(source), store);
  if (store !== undefined)
    throw check.optionInvalid(
      'store',
      source.title,
      'a store beside a source that is a directory, and not beside another store',
    );
  return new StoreShelf(source.store, source.title);
}
