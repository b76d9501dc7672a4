// platform
export { type BackOffLimits, backOffMs } from './back-off.ts';
export { findCacheDirectory } from './cache-directory.ts';
export { type Clock, systemClock } from './clock.ts';
export { ConsoleLog, keepConsole } from './console-log.ts';
export { replaceDirectory, writeDirectoryAtomically } from './durable-directories.ts';
export { syncDirectory, writeAndSync, writeFileAtomically } from './durable-files.ts';
export { findHubModel, hasHubModel, parseHubModelId, type HubModelId } from './hub-model.ts';
export { moveIntoPlace } from './move-into-place.ts';
export { cleanLogger, createConsoleLogger } from './logger.ts';
export { findOwnFile } from './own-files.ts';
export { type OutageOptions, outlastOutage } from './outlast-outage.ts';
export { type GuardedStart, guardStart, guardTree, hasProcessGroups, signalTree, unrefChild } from './process-tree.ts';
export { findStarterModel, hasStarterModel, resolveModelDirectory, starterModelName } from './starter-model.ts';
export { type UnpackErrors, unpackBody, unpackedLimit } from './unpack-body.ts';
export { readState, writeState } from './state-file.ts';
export { writeLines } from './write-lines.ts';
