import { execFileSync } from 'node:child_process';
import module from 'node:module';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileTypeScript } from '../src/sources/compile-typescript.ts';
import { isForCompiler, removeTypes, type StripTypes } from '../src/sources/parse-source.ts';

describe('the TypeScript of users', () => {
  it('leaves out imported names that were types, and keeps every line where it is', () => {
    const text = [
      `import first, { type A, Kept, OnlyAType as T } from 'a';`,
      `import { Alone,`,
      `  Another } from 'b';`,
      `import 'c';`,
      `import * as d from 'd';`,
      `const x: Alone = d.Another; export default { Kept, first: (y: T) => y, x };`,
    ].join('\n');
    const { text: compiled, isModule } = compileTypeScript(text)!;
    expect(isModule).toBe(true);
    expect(compiled.split('\n').map((line) => line.replaceAll(/\s+/g, ' ').trim())).toEqual([
      `import { Kept } from 'a';`,
      '',
      '',
      `import 'c';`,
      `import * as d from 'd';`,
      'const x = d.Another; export default { Kept, first: (y ) => y, x };',
    ]);
  });

  it.each([
    'export const __dirname = 1;',
    'export function __dirname() {}',
    'export default class __dirname {}',
    'function __dirname() {}; export {};',
    'class __dirname {}; export {};',
    'export const { a, ...__dirname } = {};',
    'export const [{ a: [__dirname = 1] }] = [{ a: [] }];',
  ])('leaves the names of CommonJS that a file declares: %s', (text) => {
    expect(compileTypeScript(`${text} console.log(__dirname);`)!.text).toMatch(/^(?!const __dirname = import)/);
  });

  it('gives the names of CommonJS that a file only mentions', () => {
    const { text } = compileTypeScript('export const { a = __dirname, __filename: b } = { a: __filename };')!;
    expect(text).toMatch(/^const __filename = import\.meta\.filename; const __dirname = import\.meta\.dirname; export/);
  });

  it('says what to do about enumerations where Node does not compile them, as from Node 26 on', () => {
    const strip: StripTypes = (text, { mode }) => {
      if (mode === 'strip') return module.stripTypeScriptTypes(text, { mode });
      throw Object.assign(new TypeError("The argument 'options.mode' must be one of: 'strip'"), {
        code: 'ERR_INVALID_ARG_VALUE',
      });
    };
    expect(removeTypes('const a: number = 1;', strip)).toBe('const a         = 1;');
    const compile = (): string => removeTypes('enum Kind { Good }', strip);
    expect(compile).toThrow(SyntaxError);
    expect(compile).toThrow(/enum.*removes types and compiles nothing.*--import tsx/s);
    try {
      compile();
    } catch (error) {
      expect(isForCompiler(error)).toBe(true);
    }
    expect(() => removeTypes('const const', strip)).toThrow(SyntaxError);
  });

  it('tells an ES module by its syntax', () => {
    const kinds = [
      'const a = require("a");',
      'export {};',
      'const a = await b;',
      'async () => await b;',
      '() => import.meta.url;',
    ];
    expect(kinds.map((text) => compileTypeScript(text)!.isModule)).toEqual([false, true, true, false, true]);
  });

  it('names the file and the line of a mistake', () => {
    const directory = mkdtempSync(join(tmpdir(), 'mistake-'));
    try {
      const path = join(directory, 'other.ts');
      writeFileSync(path, 'export const right = 1;\nexport const broken = ;\n');
      writeFileSync(join(directory, 'main.ts'), `export * from './other.ts';`);
      const hooks = JSON.stringify(new URL('../src/sources/load-typescript.ts', import.meta.url).href);
      const program = `const { loadTypeScript } = await import(${hooks}); loadTypeScript();
        await import(${JSON.stringify(join(directory, 'main.ts'))}).catch(({ message }) => console.log(message));`;
      const told = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' });
      expect(told).toContain(`${path}:2: `);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('is found by the paths of tsconfig.json, before packages of the name', () => {
    const directory = mkdtempSync(join(tmpdir(), 'paths-'));
    try {
      mkdirSync(join(directory, 'lib'));
      const write = (path: string, text: string): void => writeFileSync(join(directory, path), text);
      write('package.json', '{ "type": "module" }');
      write(
        'tsconfig.json',
        '{ "compilerOptions": { "paths": { "@/*": ["./lib/*"], /* one file */ "zod": ["./lib/own.ts"], } } }',
      );
      write('lib/own.ts', 'export const own: number = 1;');
      write(
        'main.ts',
        `import { own } from '@/own'; import { own as same } from '@/own.js'; import * as zod from 'zod'; import 'node:fs'; console.log([own, same, zod.own].join(" "));`,
      );
      const hooks = (name: string): string =>
        JSON.stringify(new URL(`../src/sources/${name}.ts`, import.meta.url).href);
      const program = `const { loadTypeScript } = await import(${hooks('load-typescript')}); const { followPaths } = await import(${hooks('follow-paths')});
        loadTypeScript(); followPaths(${JSON.stringify(directory)}); await import(${JSON.stringify(join(directory, 'main.ts'))});`;
      expect(execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' })).toBe(
        '1 1 1\n',
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('is loaded by Node in a package of type commonjs, with enumerations, types among the imports, and __dirname', () => {
    const directory = mkdtempSync(join(tmpdir(), 'typescript-'));
    try {
      mkdirSync(join(directory, 'src'));
      const write = (path: string, text: string): void => writeFileSync(join(directory, path), text);
      write('package.json', '{ "type": "commonjs" }');
      write('src/kinds.ts', `export enum Kind { Good = 'good' }\nexport interface Shape { kind: Kind }`);
      write(
        'src/plain.ts',
        `const { join } = require('node:path'); module.exports = { join: join('a', 'b') as string };`,
      );
      write(
        'main.ts',
        `import { Kind, Shape } from './src/kinds.ts'; import plain from './src/plain.ts';
         const shape: Shape = { kind: Kind.Good }; console.log(JSON.stringify([shape, plain.join, __dirname, require('./package.json').type]));`,
      );
      const hooks = new URL('../src/sources/load-typescript.ts', import.meta.url).href;
      const program = `const { loadTypeScript } = await import(${JSON.stringify(hooks)}); loadTypeScript(); await import(${JSON.stringify(join(directory, 'main.ts'))});`;
      const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' });
      expect(JSON.parse(output)).toEqual([{ kind: 'good' }, 'a/b', directory, 'commonjs']);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
