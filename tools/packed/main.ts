/**
 * Does what docs/quickstarts says, in empty folders, with the packages as they would be published: the quickstart agent of each framework,
 * wrapped, and trained on the starter model. Needs `npm run build`, the network for the frameworks, and `uv` or Python for the model, which lies
 * in the cache of `AGENT_LIGHTNING_CACHE` afterwards.
 *
 *     npm run test:packed -- [--only FRAMEWORK]... [--control shuffled] [--sizes] [--json]
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatTable } from '../format-table.ts';
import { isFlat, isRising, leastGain } from './judge-curve.ts';
import { measureInstall } from './measure-install.ts';
import { packPackages } from './pack-packages.ts';
import { servePackages } from './package-registry.ts';
import { readWay } from './read-way.ts';
import { runNpm } from './run-npm.ts';
import { walk, type TrainingOutcome, type WalkOptions } from './walk-way.ts';

const frameworks = ['langgraph', 'openai-agents', 'ai-sdk', 'mastra'] as const;
type Framework = (typeof frameworks)[number];

/** The bars. Megabytes are those of core, one adapter and the trainer. */
const most = { commands: 5, installMegabytes: 30 };

const help = `npm run test:packed -- [--only FRAMEWORK]... [--control shuffled] [--sizes] [--json]

  --only FRAMEWORK    ${frameworks.join(', ')}; may be given several times
  --control shuffled  the same with rewards that belong to other rollouts: no curve may rise then
  --sizes             measure the installs, and train nothing
  --json              end with one line of JSON: {"frameworks","rising","commands","installMegabytes","minutes","ok"};
                      of a control with "control" and "flat"

A curve rises when the held-out reward gains ${leastGain} or more and the interval of its gain is above 0; it is flat when that
interval begins at 0 or below. The exit code is 1 when one falls short, 2 when the options are wrong, and 0 otherwise.`;

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
    const trainingOptions = options.control === 'shuffled' ? ['--control', options.control] : [];
    for (const framework of options.only) {
      const outcome = await train(framework, {
        folder: join(folder, framework),
        registry: registry.url,
        trainingOptions,
      });
      console.log(`  ${describe(outcome, options.control)}, after ${outcome.minutes.toFixed(1)} minutes`);
      trained.push(outcome);
    }
    const minutes = (Date.now() - startedAtMs) / 60_000;
    report({ trained, installMegabytes, minutes }, options);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true, default: [] },
        control: { type: 'string', default: 'none' },
        sizes: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const unknown = values.only.find((name) => !frameworks.some((framework) => framework === name));
    if (unknown !== undefined) throw new TypeError(`there is no framework ${unknown}`);
    if (values.control !== 'none' && values.control !== 'shuffled')
      throw new TypeError(`--control is ${values.control}; it can be shuffled or none`);
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

async function train(framework: Framework, options: WalkOptions): Promise<Trained> {
  console.log(`\n== ${framework}`);
  mkdirSync(options.folder);
  const way = readWay(readFileSync(join(root, 'docs', 'quickstarts', `${framework}.md`), 'utf8'));
  const commands = way.commands.length;
  try {
    const { result, minutes } = await walk(way, options);
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
    rmSync(options.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

interface Outcome {
  readonly trained: readonly Trained[];
  readonly installMegabytes: number;
  readonly minutes: number;
}

function report(
  { trained, installMegabytes, minutes }: Outcome,
  { json, control }: { json: boolean; control: string },
): void {
  const isControl = control === 'shuffled';
  const rows = trained.map((one) => [
    one.framework,
    String(one.commands),
    one.minutes.toFixed(1),
    describe(one, control),
  ]);
  console.log(`\n${formatTable(['framework', 'commands', 'minutes', 'held-out reward'], rows)}`);
  const count = (isSo: (outcome: TrainingOutcome) => boolean): number =>
    trained.filter(({ result }) => result !== undefined && isSo(result)).length;
  const totals = {
    ...(isControl && { control, flat: count(isFlat) }),
    frameworks: trained.length,
    rising: count(isRising),
    commands: Math.max(...trained.map(({ commands }) => commands)),
    installMegabytes: Math.round(installMegabytes * 10) / 10,
    minutes: Math.round(minutes * 10) / 10,
  };
  const ok =
    (isControl ? totals.flat : totals.rising) === totals.frameworks &&
    totals.commands <= most.commands &&
    totals.installMegabytes <= most.installMegabytes;
  if (json) console.log(JSON.stringify({ ...totals, ok }));
  else if (!ok) console.log(`test:packed: falls short: ${JSON.stringify(totals)}`);
  else console.log(`test:packed: ${isControl ? 'no curve of the control rises' : 'every curve rises'}`);
  process.exitCode = ok ? 0 : 1;
}

function describe({ result, problem }: Trained, control: string): string {
  if (result === undefined) return problem ?? 'no result';
  const { verdict } = result;
  if (verdict === undefined) return `no verdict after ${result.steps} steps`;
  const { baseline, candidate, gain, interval } = verdict;
  const range = `${gain.toFixed(2)} (${interval[0].toFixed(2)} to ${interval[1].toFixed(2)})`;
  const rises = isRising(result) ? 'rises' : `does not rise by ${leastGain} and surely`;
  const stays = isFlat(result) ? 'flat' : 'became better without learning from the reward';
  const judged = control === 'shuffled' ? stays : rises;
  return `${baseline.reward.toFixed(2)} → ${candidate.reward.toFixed(2)}, gain ${range}: ${judged}`;
}
