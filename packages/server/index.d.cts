// @ts-ignore: the module settings node16 and node18 do not know that Node 22.15 and later can require an ES module.
export * from './dist/index.js';
