/** The newest official Python SDK, in an environment of its own: the second implementation of our codec, and a client of the worker. */
import { execFile, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodePass, decodeSamples } from '../src/decode-result.ts';
import { encodePass } from '../src/encode-pass.ts';
import type { JsonObject, Tensor } from '../src/protocol.ts';
import { installOfficialSdk, officialSdk, referenceScripts } from './official-sdk.ts';
import { findWorkerPython } from '../../gpu/test/worker-python.ts';

const workerPython = findWorkerPython();
const worker = fileURLToPath(new URL('../../gpu/python', import.meta.url));

let python: string;
beforeAll(async () => {
  if (workerPython !== undefined) python = await installOfficialSdk();
}, 1_800_000);

const reason = workerPython === undefined ? ' (skipped: there is no Python; run "npm run setup:python")' : '';

describe.skipIf(workerPython === undefined)(`our messages and those of ${officialSdk}${reason}`, () => {
  let sdk: ChildProcessWithoutNullStreams;
  let lines: Interface;
  let printed = '';
  beforeAll(() => {
    sdk = spawn(python, [join(referenceScripts, 'tinker_sdk_messages.py'), '--check']);
    sdk.stderr.on('data', (chunk) => (printed += String(chunk)));
    lines = createInterface({ input: sdk.stdout });
  });
  afterAll(async () => {
    const ended = once(sdk, 'exit');
    sdk.stdin.end();
    expect(await ended, printed).toEqual([0, null]);
  });

  /** Gives the SDK one job and returns its answer. */
  async function ask(job: object): Promise<JsonObject> {
    const answered = once(lines, 'line');
    sdk.stdin.write(`${JSON.stringify(job)}\n`);
    return JSON.parse(String(((await answered) as [string])[0])) as JsonObject;
  }

  const token = fc.nat(2 ** 31 - 1);
  // JSON, in which the SDK is asked, has neither infinities nor a negative zero.
  const float = fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
  const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
  const tensorOf = (length: number): fc.Arbitrary<Tensor> => {
    const shape = [length];
    const exactly = { minLength: length, maxLength: length };
    return fc.oneof(
      fc.array(float, exactly).map((data): Tensor => ({ data, dtype: 'float32', shape })),
      fc.array(token, exactly).map((data): Tensor => ({ data, dtype: 'int64', shape })),
    );
  };
  const datum = fc.array(token, { maxLength: 6 }).chain((tokens) =>
    fc.record({
      model_input: fc.constant({ chunks: [{ type: 'encoded_text' as const, tokens }] }),
      loss_fn_inputs: fc.dictionary(
        fc.constantFrom('weights', 'target_tokens', 'advantages'),
        tensorOf(tokens.length),
        { noNullPrototype: true },
      ),
    }),
  );
  const request = fc.record({
    modelId: fc.string({ unit: 'grapheme' }),
    sequence: fc.nat(2 ** 31 - 1),
    forwardOnly: fc.boolean(),
    config: fc.option(fc.record({ clip_low_threshold: double })),
    data: fc.array(datum, { maxLength: 4 }),
  });

  it('agree on what a request says', { timeout: 600_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(request, async ({ config, data, ...rest }) => {
        const input = { loss_fn: 'ppo', data, ...(config === null ? {} : { loss_fn_config: config }) };
        const message = Buffer.from(encodePass({ ...rest, input })).toString('base64');
        expect(await ask({ read: message })).toEqual({ ...rest, input, second: config ?? {} });
      }),
    );
  });

  it('agree on what a pass gave', { timeout: 600_000 }, async () => {
    const array = fc.array(float, { maxLength: 5 }).map((data) => ({ dtype: 'float32', data }));
    const output = fc.record({ logprobs: array, elementwise_loss: array });
    const metrics = fc.dictionary(fc.string({ unit: 'grapheme' }), double, { noNullPrototype: true });
    const cut = fc.integer({ min: 1, max: 4 });
    await fc.assert(
      fc.asyncProperty(fc.array(output, { maxLength: 6 }), metrics, cut, async (outputs, reported, records) => {
        const { message, body } = await ask({ write: { outputs, metrics: reported, cut: records } });
        expect(decodePass(bytesOf(message), 'a pass')).toEqual(body);
        expect(body).toEqual({
          loss_fn_outputs: outputs.map(({ logprobs: { data } }) => ({ logprobs: { data } })),
          metrics: reported,
        });
      }),
    );
  });

  it('agree on what was sampled', { timeout: 600_000 }, async () => {
    const sequence = fc.array(fc.tuple(token, float), { minLength: 1, maxLength: 5 }).chain((drawn) =>
      fc.record({
        stop_reason: fc.constantFrom('stop', 'length'),
        tokens: fc.constant(drawn.map(([id]) => id)),
        logprobs: fc.constant(drawn.map(([, logprob]) => logprob)),
      }),
    );
    const prompt = fc.option(fc.array(fc.option(float), { minLength: 1, maxLength: 5 }));
    await fc.assert(
      fc.asyncProperty(fc.array(sequence, { maxLength: 4 }), prompt, async (sequences, values) => {
        const sampled = { sequences, ...(values === null ? {} : { prompt_logprobs: values }) };
        const { message, body } = await ask({ write: sampled });
        expect(decodeSamples(bytesOf(message), 'asample')).toEqual(body);
        expect(body).toEqual(sampled);
      }),
    );
  });
});

describe.skipIf(workerPython === undefined)(`the worker and ${officialSdk}${reason}`, () => {
  it('train, sample, save and resume, and the client is told by name what the worker does not do', async () => {
    const starter = join(worker, 'tests', 'newest_client.py');
    const training = join(referenceScripts, 'tinker_sdk_training.py');
    // The worker's own sources come first, whatever this Python has installed.
    const environment = { ...process.env, PYTHONPATH: worker };
    const { stdout } = await promisify(execFile)(workerPython!, [starter, python, training], {
      env: environment,
      maxBuffer: 2 ** 26,
    });
    const told = JSON.parse(stdout.trim().split('\n').at(-1)!) as { readonly first: number; readonly last: number };
    expect(told).toMatchObject({ tinker: '0.38.0', refused: expect.stringContaining("expected 'adamw'") });
    expect(told.last).toBeLessThan(told.first / 10);
  }, 1_800_000);
});

function bytesOf(message: unknown): Uint8Array {
  return new Uint8Array(Buffer.from(String(message), 'base64'));
}
