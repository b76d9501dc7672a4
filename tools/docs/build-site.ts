/**
 * Builds the documentation as a site: the documents of the repository, and the API from the types. A dead link fails it.
 *
 *     npm run docs:build       writes docs/.vitepress/dist, which any server of files can serve: npx vitepress preview docs
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { aimLinks, findDeadLinks } from './links.ts';
import { listPages } from './pages.ts';

const root = join(import.meta.dirname, '../..');
const site = join(root, '.cache/site');

main();

function main(): void {
  const pages = listPages(root);
  const dead = findDeadLinks(root, pages);
  if (dead.length > 0) {
    console.error(`docs: ${dead.length} dead links\n${dead.join('\n')}`);
    process.exitCode = 1;
    return;
  }
  rmSync(site, { recursive: true, force: true });
  for (const page of pages) if (page.target !== undefined) writePage(page.target, aimLinks(page, pages));
  writePage('decisions/index.md', indexDecisions());
  for (const picture of globSync('docs/pictures/*.svg', { cwd: root })) copyPicture(picture);
  run('typedoc', ['--options', 'typedoc.json']);
  for (const name of globSync('*', { cwd: join(site, 'api') }).filter((each) => !each.endsWith('.md'))) placeApi(name);
  renameApiLinks(join(site, 'api/index.md'));
  run('vitepress', ['build', '.']);
  checkPages();
  console.log(`docs: ${pages.length} documents and the API in docs/.vitepress/dist`);
}

function writePage(target: string, text: string): void {
  mkdirSync(dirname(join(site, target)), { recursive: true });
  writeFileSync(join(site, target), text);
}

function copyPicture(picture: string): void {
  cpSync(join(root, picture), join(site, 'pictures', basename(picture)));
}

/** Returns a page that lists the decisions by their titles. */
function indexDecisions(): string {
  const files = globSync('docs/decisions/*.md', { cwd: root }).toSorted();
  const rows = files.map((file) => {
    const title = /^# (.*)$/m.exec(readFileSync(join(root, file), 'utf8'))?.[1] ?? basename(file);
    return `- [${title}](./${basename(file)})`;
  });
  return `# Decisions\n\nWhy things are as they are: context, decision, consequence, and what would change it.\n\n${rows.join('\n')}\n`;
}

/** Makes `api/<package>.md` of the module that TypeDoc names by its path. */
function placeApi(name: string): void {
  const made = join(site, 'api', name, 'src.md');
  const text = readFileSync(made, 'utf8').replace(/^# .*$/m, `# @agent-lightning/${name}`);
  rmSync(join(site, 'api', name), { recursive: true });
  writePage(`api/${name}.md`, text);
  renameApiLinks(join(site, `api/${name}.md`));
}

function renameApiLinks(file: string): void {
  const text = readFileSync(file, 'utf8');
  const renamed = text
    .replaceAll(/\]\((?:\.\.\/)?([\w-]+)\/src\.md/g, '](./$1.md')
    .replaceAll(/\[([\w-]+)\/src\]/g, '[@agent-lightning/$1]');
  // A text such as {{ message.role }} of a chat template is no expression of Vue's.
  const [title = '', ...rest] = renamed.replaceAll('src.md#', `${basename(file)}#`).split(/(?<=^# .*\n)/m);
  writeFileSync(file, `${title}\n::: v-pre\n${rest.join('')}\n:::\n`);
}

/** Fails when a page has no title: VitePress goes on when a page cannot be rendered, and leaves an empty one. */
function checkPages(): void {
  const empty = globSync('**/*.md', { cwd: site }).filter(
    (file) => !/<h1[ >]/.test(readFileSync(join(root, 'docs/.vitepress/dist', file.replace(/md$/, 'html')), 'utf8')),
  );
  if (empty.length === 0) return;
  console.error(`docs: ${empty.join(', ')} could not be rendered; see above`);
  process.exit(1);
}

/** Runs a program of the workspace `docs`, by the Node that runs this. */
function run(program: string, given: readonly string[]): void {
  const folder = [join(root, 'docs'), root].find((each) => existsSync(join(each, 'node_modules/.bin', program)));
  if (folder === undefined) throw new ReferenceError(`${program} is not installed; run npm ci`);
  const { status, signal } = spawnSync(process.execPath, [join(folder, 'node_modules/.bin', program), ...given], {
    cwd: join(root, 'docs'),
    stdio: 'inherit',
  });
  if (status === 0) return;
  console.error(`docs: ${program} ended with ${signal ?? `exit code ${status}`}`);
  process.exit(1);
}
