/**
 * Writes `docs/reference/options.md` out of the types.
 *
 *     npm run docs:options
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatOptionsPage } from './options-page.ts';

const root = join(import.meta.dirname, '../..');
const page = 'docs/reference/options.md';
writeFileSync(join(root, page), formatOptionsPage(root));
execFileSync('oxfmt', [page], { cwd: root });
