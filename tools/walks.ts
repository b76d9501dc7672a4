/**
 * Holds the three walks of `docs/architecture.md` against the code: every name in backticks must exist in the sources. Then follows
 * the tokens of one model call from the reply to a training sample, through a real gateway and a real store, and counts how
 * often they are copied.
 *
 *     npm run walks [-- --tokens 5000] [--json]
 */
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildBatch, toEpisode, type LightningStore } from '@agent-lightning/core';
import { Gateway } from '@agent-lightning/gateway';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { startModelServer } from '@agent-lightning/testing';

interface Walk {
  readonly title: string;
  readonly hops: number;
  /** Names of the document that no source has. */
  readonly unknown: readonly string[];
}

/** A place that made an array as long as the reply. */
interface Copy {
  readonly where: string;
  readonly type: string;
  readonly count: number;
}

function readWalks(): readonly Walk[] {
  const sources = globSync('packages/*/{src,python}/**/*.{ts,py}').filter((file) => !file.includes('.test.'));
  const text = sources.map((file) => `${file}\n${readFileSync(file, 'utf8')}`).join('\n');
  const page = readFileSync('docs/architecture.md', 'utf8');
  const section = page.slice(page.indexOf('## Three walks'), page.indexOf('## Standing rules'));
  return [...section.matchAll(/\*\*(.+)\*\*\n\n((?:\d+\. [\s\S]*?)(?=\n\n\*\*|\n*$))/g)].map(([, title, list]) => {
    const names = [...list!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!.replace(/\(.*/, ''));
    const unknown = names.filter((name) => !isKnown(name, sources, text));
    return { title: title!, hops: list!.match(/^\d+\. /gm)!.length, unknown };
  });
}

/** Tells whether a name of the document is a place or a word of the sources: a file, a folder of a package, or an identifier. */
function isKnown(name: string, sources: readonly string[], text: string): boolean {
  if (!name.includes('/') && !name.endsWith('.ts')) return text.includes(name.split('.').at(-1)!);
  const [packageName, ...path] = name.endsWith('.ts') && !name.includes('/') ? [undefined, name] : name.split('/');
  return sources.some(
    (source) =>
      (packageName === undefined || source.startsWith(`packages/${packageName}/`)) &&
      `${source}/`.includes(`/${path.join('/')}/`),
  );
}

/** Counts who makes arrays of at least `length` items while `work` runs: typed arrays, copies of them, and lists out of JSON. */
async function countCopies(length: number, work: () => Promise<void>): Promise<readonly Copy[]> {
  const counts = new Map<string, Copy>();
  const note = (type: string): void => {
    const where = placeOf(new TypeError().stack ?? '');
    if (where === undefined) return;
    const key = `${where} ${type}`;
    counts.set(key, { where, type, count: (counts.get(key)?.count ?? 0) + 1 });
  };
  const restore: (() => void)[] = [];
  const patch = <Owner extends object>(
    owner: Owner,
    name: keyof Owner & string,
    make: (original: never) => unknown,
  ) => {
    const original = Object.getOwnPropertyDescriptor(owner, name)!;
    Object.defineProperty(owner, name, { ...original, value: make(original.value as never) });
    restore.push(() => Object.defineProperty(owner, name, original));
  };
  const isLong = (value: unknown): boolean => (value as ArrayLike<unknown>).length >= length;
  // All typed arrays share one `slice`.
  patch(
    Object.getPrototypeOf(Int32Array.prototype) as Int32Array,
    'slice',
    (slice: (...given: unknown[]) => object) => {
      return function (this: object, ...given: unknown[]): object {
        const copy = slice.apply(this, given);
        if (!(copy instanceof Uint8Array) && isLong(copy)) note(`${this.constructor.name}.slice`);
        return copy;
      };
    },
  );
  for (const name of ['Int32Array', 'Float32Array', 'Float64Array'] as const) {
    patch(globalThis, name, (original: typeof Int32Array) => {
      return new Proxy(original, {
        construct: (target, given, self) => {
          const made = Reflect.construct(target, given, self === proxied.get(name) ? target : self) as Int32Array;
          // A view of memory that exists copies nothing.
          if (isLong(made) && !(given[0] instanceof ArrayBuffer || given[0] instanceof SharedArrayBuffer)) note(name);
          return made;
        },
        get: (target, key) => {
          const value = Reflect.get(target, key) as unknown;
          if (key !== 'from') return value;
          return (...given: unknown[]) => {
            const made = (value as (...items: unknown[]) => Int32Array).apply(target, given);
            if (isLong(made)) note(`${name}.from`);
            return made;
          };
        },
      });
    });
    proxied.set(name, globalThis[name]);
  }
  patch(JSON, 'parse', (parse: (...given: unknown[]) => unknown) => (text: string, ...rest: unknown[]) => {
    const value = parse(text, ...rest);
    if (typeof text === 'string' && hasLongList(value, length)) note('JSON.parse');
    return value;
  });
  try {
    await work();
  } finally {
    for (const undo of restore.toReversed()) undo();
  }
  return [...counts.values()];
}

const proxied = new Map<string, unknown>();

function hasLongList(value: unknown, length: number): boolean {
  if (Array.isArray(value)) return value.length >= length || value.some((item) => hasLongList(item, length));
  return typeof value === 'object' && value !== null && Object.values(value).some((item) => hasLongList(item, length));
}

/** Finds the first of our own files in a stack. */
function placeOf(stack: string): string | undefined {
  return /packages\/([\w-]+\/(?:src|dist)\/[\w/.-]+?\.[jt]s)/.exec(stack)?.[1];
}

/** Carries one call of `tokens` words through gateway and store, reads it as an episode and makes a training sample of it. */
async function carryTokens(store: LightningStore, tokens: number): Promise<void> {
  const text = Array.from({ length: tokens }, (_, index) => `w${index}`).join(' ');
  const server = await startModelServer({ respond: () => ({ content: text }) });
  const gateway = await Gateway.start({ store });
  await gateway.publish('policy', { kind: 'openai', baseUrl: server.baseUrl, model: 'policy', version: 0 });
  await store.enqueue([{ rolloutId: 'r', input: null, groupId: 'g' }]);
  const [claim] = await store.claim({ workerId: 'walk', leaseMs: 60_000 });
  const endpoint = await gateway.openAttempt(claim!);
  const copies = await countCopies(tokens, async () => {
    const reply = await fetch(`${endpoint.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${endpoint.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: endpoint.model, messages: [{ role: 'user', content: 'Go.' }] }),
    });
    if (!reply.ok) throw new TypeError(await reply.text());
    await reply.arrayBuffer();
    await gateway.closeAttempt(claim!);
    const rollout = await store.complete(claim!.lease);
    const spans = await store.querySpans({ rolloutIds: ['r'], includeTokens: true });
    const episode = { ...toEpisode(rollout, spans), reward: 1 };
    const other = { ...episode, rollout: { ...rollout, rolloutId: 's' }, reward: 0 };
    const options = { credit: 'identical', estimator: 'dr_grpo', tokenWeighting: 'rollout' } as const;
    buildBatch([episode, other], { ...options, samples: 'trajectory' });
  });
  print(copies, tokens);
  await gateway.close();
  await server.close();
}

const { values: given } = parseArgs({
  options: { tokens: { type: 'string', default: '5000' }, json: { type: 'boolean', default: false } },
});
const walks = readWalks();
for (const { title, hops, unknown } of walks)
  console.log(`${title}: ${hops} hops${unknown.length === 0 ? '' : `; not in the sources: ${unknown.join(', ')}`}`);

function print(copies: readonly Copy[], tokens: number): void {
  console.log(`arrays of ${tokens} items and more that one call makes in this thread, from the reply to the sample:`);
  for (const { where, type, count } of copies)
    console.log(`  ${String(count).padStart(3)} × ${type.padEnd(18)} ${where}`);
  if (given.json) console.log(JSON.stringify({ walks, tokens, copies }));
}

const folder = mkdtempSync(join(tmpdir(), 'walks-'));
const store = await openSqliteStore({ path: join(folder, 'store.sqlite') });
await carryTokens(store, Number(given.tokens));
await store.close();
rmSync(folder, { recursive: true });
if (walks.length !== 3 || walks.some(({ unknown }) => unknown.length > 0)) process.exitCode = 1;
