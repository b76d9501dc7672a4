import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { attributeNames, toEpisode } from '@agent-lightning/core';
import { emitObject, emitReward, requireRollout } from '@agent-lightning/tracing';
import type { Redact } from '../src/index.ts';
import { captureInto, nothingDropped } from './capture-harness.ts';

const canary = 'alice@example.com';
const redact: Redact = (text) => text.replaceAll(canary, '[email]').replaceAll('4111111111111111', '[card]');

/** Records the second choice of a call, whose prompt is in the span of the first. */
function callAgain(promptSpan: string): void {
  requireRollout('the test').recorder.record({
    kind: 'model_call',
    name: 'chat',
    attributes: {
      [attributeNames.promptSpan]: promptSpan,
      [attributeNames.outputMessages]: JSON.stringify([{ role: 'assistant', content: 'fine' }]),
    },
    tokens: { prompt: new Int32Array(0), response: Int32Array.of(4), logprobs: Float32Array.of(-0.5) },
  });
}

function callModel(question: string): void {
  const { recorder } = requireRollout('the test');
  recorder.record({
    kind: 'model_call',
    name: 'chat',
    attributes: {
      [attributeNames.source]: 'gateway',
      [attributeNames.responseId]: 'chatcmpl-1',
      [attributeNames.policy]: 'policy',
      [attributeNames.policyVersion]: 1,
      [attributeNames.finishReasons]: ['stop'],
      [attributeNames.inputMessages]: JSON.stringify([{ role: 'user', content: question }]),
      [attributeNames.outputMessages]: JSON.stringify([
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ function: { name: 'mail', arguments: JSON.stringify({ to: question }) } }],
        },
      ]),
    },
    tokens: { prompt: Int32Array.of(1, 2), response: Int32Array.of(3), logprobs: Float32Array.of(-0.5) },
  });
}

describe('redaction', () => {
  it.each([
    ['kept when the prompt of its call is as it was', 'how many?', true],
    ['left out when the prompt of its call was redacted', `who is ${canary}?`, false],
  ])('has the tokens of a further choice %s', async (_name, question, isKept) => {
    const { capture, exported } = captureInto({ redact });
    await capture.run({}, () => {
      const { recorder } = requireRollout('the test');
      const first = recorder.start({
        kind: 'model_call',
        name: 'chat',
        attributes: { [attributeNames.inputMessages]: JSON.stringify([{ role: 'user', content: question }]) },
      });
      first.end({ attributes: { [attributeNames.outputMessages]: '[]' } });
      callAgain(first.spanId);
    });
    const second = (await exported())[0]!.spans.find(({ attributes }) => attributeNames.promptSpan in attributes)!;
    expect([second.tokens !== undefined, attributeNames.untrainable in second.attributes]).toEqual([isKept, !isKept]);
  });

  it('reaches every text before it is written', async () => {
    const { capture, exported, errors } = captureInto({ redact });
    const input = { [canary]: [canary, { deep: `to ${canary}`, card: 4111111111111111, amount: 12 }] };
    await expect(
      capture.run(
        input,
        () => {
          emitObject({ to: canary, nested: JSON.stringify({ inner: JSON.stringify([canary]) }) });
          emitReward({ [canary]: 1 }, { attributes: { [canary]: { by: canary } } });
          callModel(`write to ${canary}\n"quoted"`);
          throw new RangeError(`cannot reach ${canary}`);
        },
        { metadata: { user: canary } },
      ),
    ).rejects.toThrow(canary);
    const stored = await exported();
    expect(JSON.stringify(stored)).not.toContain(canary);
    expect(JSON.stringify(stored)).not.toContain('4111111111111111');
    expect(stored[0]!.rollout).toMatchObject({
      input: { '[email]': ['[email]', { deep: 'to [email]', card: '[card]', amount: 12 }] },
      metadata: { user: '[email]' },
      failure: { message: 'cannot reach [email]' },
    });
    const call = stored[0]!.spans.find(({ kind }) => kind === 'model_call')!;
    expect(JSON.parse(String(call.attributes[attributeNames.inputMessages]))).toEqual([
      { role: 'user', content: 'write to [email]\n"quoted"' },
    ]);
    expect(errors).toEqual([]);
  });

  it('takes the tokens of a redacted call along, and only those', async () => {
    const { capture, exported } = captureInto({ redact });
    await capture.run('x', () => {
      callModel(`write to ${canary}`);
      callModel('write to nobody');
    });
    const [captured] = await exported();
    const [secret, plain] = captured!.spans;
    expect(secret!.tokens).toBeUndefined();
    expect(plain!.tokens?.prompt).toEqual(Int32Array.of(1, 2));
    const episode = toEpisode(captured!.rollout, captured!.spans);
    expect(episode.transitions).toHaveLength(1);
    expect(episode.untrainable).toMatchObject([{ reason: expect.stringContaining('redacted') }]);
  });

  it('drops a rollout for which it fails, and says nothing of the text', async () => {
    let calls = 0;
    const failing: Redact = (text) => {
      if (text === canary) throw new RangeError(`cannot redact ${text}`);
      return calls++ > 100 ? (undefined as never) : text;
    };
    const { capture, exported, errors } = captureInto({ redact: failing });
    await capture.run(canary, () => 'fine');
    await capture.run('other', () => 'fine');
    expect((await exported()).map(({ rollout }) => rollout.input)).toEqual(['other']);
    expect(capture.statistics.dropped).toEqual({ ...nothingDropped, 'redaction-failed': 1 });
    expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining('redact threw RangeError')]);
    expect(JSON.stringify(errors.map(({ message, cause }) => [message, String(cause)]))).not.toContain(canary);
  });

  it('is the identity where it changes nothing, and leaves no canary in any JSON', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 4 }), fc.boolean(), async (value, isSecret) => {
        const { capture, exported } = captureInto({ redact });
        const input = isSecret
          ? { value, [`key ${canary}`]: JSON.stringify([JSON.stringify({ value, canary })]) }
          : value;
        await capture.run(input, () => undefined);
        const [captured] = await exported();
        if (isSecret) expect(JSON.stringify(captured)).not.toContain(canary);
        else expect(captured!.rollout.input).toEqual(JSON.parse(JSON.stringify(input)));
      }),
      { numRuns: 60 },
    );
  });
});
