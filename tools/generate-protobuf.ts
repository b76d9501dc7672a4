/**
 * Writes what is generated from packages/tinker/proto/tinker.proto: the TypeScript of the client, and the descriptors of the worker.
 *
 *     npm run generate:protobuf
 *
 * The generators come from npm for this one run: the compiler alone has 93 MB, and only a change of the messages needs it.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const packages = ['@bufbuild/buf@1.75.0', '@bufbuild/protoc-gen-es@2.17.0'];
const root = join(import.meta.dirname, '..');
const proto = join(root, 'packages', 'tinker', 'proto');
const typescript = join(root, 'packages', 'tinker', 'src', 'generated');
const descriptors = join(root, 'packages', 'gpu', 'python', 'agent_lightning_worker', 'tinker_messages.json');

function buf(...args: readonly string[]): void {
  const from = packages.map((name) => `--package=${name}`);
  const { status, error } = spawnSync('npx', ['--yes', ...from, '--', 'buf', ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error(`generate-protobuf: buf ${args.join(' ')} failed (${error?.message ?? status})`);
}

const scratch = mkdtempSync(join(tmpdir(), 'generate-protobuf-'));
try {
  const opt = ['target=ts', 'erasable_syntax=true', 'import_extension=ts'];
  const template = { version: 'v2', plugins: [{ local: 'protoc-gen-es', out: typescript, opt }] };
  buf('generate', proto, '--template', JSON.stringify(template));
  const image = join(scratch, 'image.json');
  buf('build', proto, '--exclude-source-info', '--output', image);
  const { file } = JSON.parse(readFileSync(image, 'utf8')) as { file: readonly object[] };
  // The worker reads plain descriptors; what buf adds to them is not a part of protobuf.
  const skipped = new Set(['jsonName', 'bufExtension']);
  const text = JSON.stringify(file[0], (name, value: unknown) => (skipped.has(name) ? undefined : value), 1);
  writeFileSync(descriptors, `${text}\n`);
} finally {
  rmSync(scratch, { recursive: true });
}
