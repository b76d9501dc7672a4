import { describe, expect, it, afterEach } from 'vitest';
import { compareModels } from '../../src/vllm/compare-models.ts';
import { VllmClient } from '../../src/vllm/vllm-client.ts';
import { startServers, stopAll } from './fleet-harness.ts';

afterEach(stopAll);

/** Compares a server whose log-probabilities are `gap` nats off, in turn above and below, with a worker; returns the warnings. */
async function compare(gap: number, dtype: string | undefined): Promise<string[]> {
  const tokens = Int32Array.of(5, 6, 7, 8, 9);
  const logprobs = Float32Array.of(0, -1, -2, -3, -4);
  const [server] = await startServers(1, {
    measurePrompt: (ids) => ids.slice(1).map((_, t) => logprobs[t + 1]! + (t % 2 === 0 ? gap : -gap)),
  });
  const client = new VllmClient({ url: server!.url, apiKey: undefined, fetch });
  const warnings: string[] = [];
  const logger = { info: () => undefined, warn: (text: string) => void warnings.push(text), error: () => undefined };
  await compareModels(client, 'base-model', { tokens, logprobs, dtype }, logger);
  expect(server!.calls.at(-1)?.body).toMatchObject({ prompt: [5, 6, 7, 8, 9], prompt_logprobs: 0, max_tokens: 1 });
  return warnings;
}

describe('a server that somebody else started', () => {
  it.each([
    [1e-5, 'float32'],
    [0.02, 'bfloat16'],
    [0.02, undefined],
  ])('is taken as it is when it computes what the worker computes: %d nats apart in %s', async (gap, dtype) => {
    expect(await compare(gap, dtype)).toEqual([]);
  });

  it('is named with the flag that it needs when it computes in another precision', async () => {
    expect(await compare(0.0078125, 'float32')).toEqual([
      expect.stringMatching(
        /^vLLM at http\S+: the log-probabilities of a prompt of 5 tokens differ from the worker's by 0\.0078 nats on average \(at most 0\.0078\), .* start vLLM with --dtype float32, and without quantization\.$/,
      ),
    ]);
    expect(await compare(0.25, undefined)).toEqual([expect.stringContaining('the precision of the worker (--dtype)')]);
  });

  it.each(['float32', 'bfloat16'])('is refused when it serves another model (%s)', async (dtype) => {
    await expect(compare(0.75, dtype)).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringContaining('with the model that the worker trains'),
    });
  });
});
