// platform
export { writeDirectoryAtomically } from './atomic-directory.ts';
export { replaceDirectory, syncDirectory, writeAndSync, writeFileAtomically } from './durable-files.ts';
export { createConsoleLogger } from './logger.ts';
export { guardTree, hasProcessGroups, signalTree, unrefChild } from './process-tree.ts';
