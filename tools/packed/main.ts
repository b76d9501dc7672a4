/**
 * Does what docs/quickstarts says, in empty folders, with the packages as they would be published: the quickstart agent of each framework,
 * wrapped, and trained on the starter model. Needs `npm run build`, the network for the frameworks, and `uv` or Python for the model, which lies
 * in the cache of `AGENT_LIGHTNING_CACHE` afterwards.
 *
 *     npm run test:packed -- [--only FRAMEWORK]... [--sizes] [--json]
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatTable } from '../format-table.ts';
import { isRising, leastGain } from './judge-curve.ts';
import { measureInstall } from './measure-install.ts';
import { packPackages } from './pack-packages.ts';
import { servePackages } from './package-registry.ts';
import { readWay } from './read-way.ts';
import { runNpm } from './run-npm.ts';
import { walk, type TrainingOutcome } from './walk-way.ts';

const frameworks = ['langgraph', 'openai-agents', 'ai-sdk', 'mastra'] as const;
type Framework = (typeof frameworks)[number];

/** The bars. Megabytes are those of core, one adapter and the trainer. */
const most = { commands: 5, installMegabytes: 30, minutes: 30 };

const help = `npm run test:packed -- [--only FRAMEWORK]... [--sizes] [--json]

  --only FRAMEWORK  ${frameworks.join(', ')}; may be given several times
  --sizes           measure the installs, and train nothing
  --json            end with one line of JSON: {"frameworks","rising","commands","installMegabytes","minutes","ok"}

The exit code is 1 when one falls short, 2 when the options are wrong, and 0 otherwise.`;

interface Trained {
  readonly framework: Framework;
  readonly commands: number;
  readonly minutes: number;
  readonly result: TrainingOutcome | undefined;
  readonly problem: string | undefined;
}

const root = join(import.meta.dirname, '..', '..');
await main();

async function main(): Promise<void> {
  const options = readOptions();
  if (options === undefined) return void (process.exitCode = 2);
  if (options.help) return console.log(help);
  const startedAtMs = Date.now();
  const folder = mkdtempSync(join(tmpdir(), 'packed-'));
  try {
    const tarballs = join(folder, 'tarballs');
    mkdirSync(tarballs);
    const packages = await packPackages(root, tarballs);
    const published = await runNpm(['config', 'get', 'registry'], root);
    await using registry = await servePackages(packages, published.trim());
    const installMegabytes = await measureInstalls(folder, registry.url);
    if (options.sizes) return void (process.exitCode = installMegabytes <= most.installMegabytes ? 0 : 1);
    const trained: Trained[] = [];
    for (const framework of options.only) trained.push(await train(framework, join(folder, framework), registry.url));
    report(trained, installMegabytes, (Date.now() - startedAtMs) / 60_000, options.json);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true, default: [] },
        sizes: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const unknown = values.only.find((name) => !frameworks.some((framework) => framework === name));
    if (unknown !== undefined) throw new TypeError(`there is no framework ${unknown}`);
    const only = frameworks.filter((framework) => values.only.length === 0 || values.only.includes(framework));
    return { ...values, only };
  } catch (error) {
    console.error(`test:packed: ${(error as Error).message}\n\n${help}`);
    return undefined;
  }
}

/** Returns the megabytes of the heaviest install of core, one adapter and the trainer. */
async function measureInstalls(folder: string, registry: string): Promise<number> {
  const measured = frameworks.map(async (framework) => {
    const names = ['core', framework, 'trainer'].map((name) => `@agent-lightning/${name}`);
    return { framework, ...(await measureInstall(names, join(folder, `size-${framework}`), registry)) };
  });
  const sizes = await Promise.all(measured);
  const rows = sizes.map(({ framework, megabytes, packages }) => [
    `core, ${framework}, trainer`,
    megabytes.toFixed(1),
    packages
      .slice(0, 5)
      .map((one) => `${one.name} ${one.megabytes.toFixed(1)}`)
      .join(', '),
  ]);
  console.log(formatTable(['installed, without frameworks', 'MB', 'the heaviest'], rows));
  return Math.max(...sizes.map(({ megabytes }) => megabytes));
}

async function train(framework: Framework, folder: string, registry: string): Promise<Trained> {
  console.log(`\n== ${framework}`);
  mkdirSync(folder);
  const way = readWay(readFileSync(join(root, 'docs', 'quickstarts', `${framework}.md`), 'utf8'));
  const commands = way.commands.length;
  try {
    const { result, minutes } = await walk(way, folder, registry);
    return { framework, commands, minutes, result, problem: undefined };
  } catch (error) {
    const {
      message,
      stdout = '',
      stderr = '',
    } = error as Error & { readonly stdout?: string; readonly stderr?: string };
    console.error([message, stdout, stderr].join('\n'));
    return { framework, commands, minutes: 0, result: undefined, problem: 'a command failed; see above' };
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

function report(trained: readonly Trained[], megabytes: number, minutes: number, isJson: boolean): void {
  const rows = trained.map(({ framework, commands, minutes: spent, result, problem }) => [
    framework,
    String(commands),
    spent.toFixed(1),
    problem ?? describe(result!),
  ]);
  console.log(`\n${formatTable(['framework', 'commands', 'minutes', 'held-out reward'], rows)}`);
  const totals = {
    frameworks: trained.length,
    rising: trained.filter(({ result }) => result !== undefined && isRising(result)).length,
    commands: Math.max(...trained.map(({ commands }) => commands)),
    installMegabytes: Math.round(megabytes * 10) / 10,
    minutes: Math.round(minutes * 10) / 10,
  };
  const ok =
    totals.rising === totals.frameworks &&
    totals.commands <= most.commands &&
    totals.installMegabytes <= most.installMegabytes &&
    totals.minutes <= most.minutes;
  if (isJson) console.log(JSON.stringify({ ...totals, ok }));
  else console.log(ok ? 'test:packed: every curve rises' : `test:packed: falls short: ${JSON.stringify(totals)}`);
  process.exitCode = ok ? 0 : 1;
}

function describe(result: TrainingOutcome): string {
  const { verdict } = result;
  if (verdict === undefined) return `no verdict after ${result.steps} steps`;
  const { baseline, candidate, gain, interval } = verdict;
  const range = `${gain.toFixed(2)} (${interval[0].toFixed(2)} to ${interval[1].toFixed(2)})`;
  const rises = isRising(result) ? 'rises' : `does not rise by ${leastGain} and surely`;
  return `${baseline.reward.toFixed(2)} → ${candidate.reward.toFixed(2)}, gain ${range}: ${rises}`;
}
