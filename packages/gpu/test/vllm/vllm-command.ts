/**
 * A program that is called like `vllm` and serves the fake: what it was started with goes into the file that STARTS_FILE
 * names, a line for each start.
 */
import { appendFileSync } from 'node:fs';
import { startFakeVllm } from '../fakes/fake-vllm.ts';

const args = process.argv.slice(2);
const { STARTS_FILE, VLLM_API_KEY: apiKey, VLLM_ALLOW_RUNTIME_LORA_UPDATING: updating, FAILS } = process.env;
if (STARTS_FILE !== undefined)
  appendFileSync(STARTS_FILE, `${JSON.stringify({ args, pid: process.pid, apiKey, updating })}\n`);
process.stdout.write(`INFO loading weights\n`);
if (FAILS === 'at-start') {
  process.stderr.write(`torch.OutOfMemoryError: CUDA out of memory\n`);
  process.exit(3);
}
const valueOf = (flag: string): string => args[args.indexOf(flag) + 1] ?? '';
await startFakeVllm({
  port: Number(valueOf('--port')),
  ...(apiKey === undefined ? {} : { apiKey }),
  flags: {
    enableLora: args.includes('--enable-lora'),
    runtimeLoraUpdating: updating === 'True',
    maxLoraRank: Number(valueOf('--max-lora-rank')),
    logprobsMode: valueOf('--logprobs-mode') === 'processed_logprobs' ? 'processed_logprobs' : 'raw_logprobs',
    generationConfig: valueOf('--generation-config') === 'vllm' ? undefined : { temperature: 0.6 },
  },
});
process.stdout.write(`INFO Application startup complete.\n`);
