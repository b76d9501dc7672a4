/**
 * `npm run bench:embedded [-- --model <directory>|default --rounds 7 --threads 2 --wide-kernels --json]`: measures training and
 * sampling speed of the embedded engine, with wide kernels or without, round by round in turns with PyTorch on the same model shape and machine.
 *
 * `npm run bench:embedded -- --model smollm2 [--lora 32 --rounds 3 --rows 8 --row-tokens 256 --threads 2 --json]`: measures LoRA on a real model
 * against the PyTorch worker, with and without wide kernels; `--lora` does that with any model directory. The Python is that of the backend `gpu`.
 *
 * With `--json` the last line is one JSON object.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { measureOwnModel } from './own-model.ts';
import { measureRealModel } from './real-model.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    lora: { type: 'string' },
    rounds: { type: 'string' },
    rows: { type: 'string' },
    'row-tokens': { type: 'string' },
    threads: { type: 'string', default: String(Math.min(availableParallelism(), 16)) },
    'wide-kernels': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const rank = values.lora ?? (values.model === 'smollm2' ? '32' : undefined);
const measured = rank === undefined ? await measureShape() : await measureLora(Number(rank));
if (values.json) console.log(JSON.stringify(measured));

async function measureShape(): Promise<object> {
  if (values.rows ?? values['row-tokens'])
    throw new TypeError('--rows and --row-tokens belong to --lora: give that as well, or leave them out.');
  return await measureOwnModel({
    model: values.model,
    rounds: Number(values.rounds ?? 7),
    threads: Number(values.threads),
    wideKernels: values['wide-kernels'],
  });
}

async function measureLora(rank: number): Promise<object> {
  if (values['wide-kernels']) throw new TypeError('--lora measures wide kernels, too: leave --wide-kernels out.');
  return await measureRealModel({
    model: values.model ?? 'smollm2',
    rank,
    threads: Number(values.threads),
    rounds: Number(values.rounds ?? 3),
    rows: Number(values.rows ?? 8),
    rowTokens: Number(values['row-tokens'] ?? 256),
    concurrent: 16,
    promptTokens: 64,
    newTokens: 32,
  });
}
