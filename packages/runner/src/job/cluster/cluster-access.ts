import type { OutgoingHttpHeaders } from 'node:http';

/** Says who a request comes from: what its connection shows, or its header. */
export interface Identity {
  readonly token?: string;
  /** The client's certificate and key, PEM. */
  readonly certificate?: string;
  readonly key?: string;
}

/** Holds where the API server of a cluster is, and how this process shows who it is. */
export interface ClusterAccess {
  readonly server: URL;
  /** The certificates that the server's own is checked against, PEM. @default those of Node */
  readonly authority: string | undefined;
  /** The name that the server's certificate must have, where that is not the one in its address. */
  readonly serverName: string | undefined;
  /** False takes any certificate of the server. */
  readonly verifies: boolean;
  /** Returns who this process is, from a source that may change; `rejected` is an earlier answer that the server did not take. */
  readonly identify: (rejected: Identity | undefined) => Promise<Identity>;
  /** Headers of every request: whom it acts for. */
  readonly headers: OutgoingHttpHeaders;
  readonly namespace: string | undefined;
  /** Says where all of that was read, for errors. */
  readonly source: string;
}
