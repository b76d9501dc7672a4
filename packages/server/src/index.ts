// for those who share a store with other machines
export { Server, startServer } from './start-server.ts';
export type { ServerOptions } from './server-options.ts';
export { toLogLine, type ServerLogEntry } from './server-log.ts';

export type { MountedGateway } from './gateway-routes.ts';

// who may do what
export { KeyRing, type KeyRingOptions, type NewKey } from './keys/key-ring.ts';
export type { KeyRecord } from './keys/key-file.ts';
export type { Caller, Role } from './keys/caller.ts';

// for those who put routes of their own beside the server's
export type { RequestLine, Route, RouteSet } from './http/route.ts';
export { Exchange } from './http/exchange.ts';
export { RequestError, type RequestErrorOptions } from './http/request-error.ts';
