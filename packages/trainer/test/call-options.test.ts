import type { PolicySnapshot, TrainablePolicy, TrainingBackend } from '@agent-lightning/core';
import { Gateway } from '@agent-lightning/gateway';
import type { RolloutContext } from '@agent-lightning/runner';
import { MemoryStore } from '@agent-lightning/store';
import { describe, expect, it, vi } from 'vitest';
import { holdTimers } from '../../gateway/test/held-timers.ts';
import { BigramBackend } from './bigram-backend.ts';
import { letterTasks, type LetterTask } from './letter-task.ts';
import { createTestTrainer } from './run-folder.ts';

/** A duration that nothing else uses. */
const heldMs = 76_543;
const tasks = letterTasks.slice(0, 1);

/** Asks for an object, with the word JSON in the prompt as OpenAI's API wants it; returns the reply. */
async function askForObject({ letter }: LetterTask, { llm, signal }: RolloutContext): Promise<Response> {
  return await fetch(`${llm.baseUrl}/chat/completions`, {
    method: 'POST',
    signal,
    headers: { authorization: `Bearer ${llm.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: llm.model,
      messages: [{ role: 'user', content: `json${letter}` }],
      response_format: { type: 'json_object' },
    }),
  });
}

/** A backend whose model is asked and never says anything. */
class SilentBackend extends BigramBackend {
  asked = 0;

  override async createPolicy(spec: Parameters<TrainingBackend['createPolicy']>[0]): Promise<TrainablePolicy> {
    const policy = await super.createPolicy(spec);
    const publish = policy.publish.bind(policy);
    policy.publish = async (version): Promise<PolicySnapshot> => {
      const snapshot = await publish(version);
      if (snapshot.kind !== 'engine') return snapshot;
      const generate = (): AsyncIterable<never> => {
        this.asked += 1;
        return { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }) };
      };
      return { ...snapshot, engine: { contextLength: snapshot.engine.contextLength, generate } };
    };
    return policy;
  }
}

describe('the options of a trainer for model calls', () => {
  it('ask for structured output in the prompt, or leave it to a server; this engine has no grammar', async () => {
    const statuses: number[] = [];
    const rollout = async (task: LetterTask, context: RolloutContext): Promise<number> => {
      const { status } = await askForObject(task, context);
      statuses.push(status);
      return context.rollout.metadata['sample'] as number;
    };
    const { trainer } = await createTestTrainer({ rollout });
    const report = await trainer.dev({ tasks, samples: 2 });
    expect([Object.values(report.trainableCalls), statuses.splice(0)]).toEqual([[2], [200, 200]]);
    const { trainer: other } = await createTestTrainer({ rollout, structuredOutput: 'grammar' });
    await other.dev({ tasks, samples: 2 });
    expect(statuses).toEqual([400, 400]);
  });

  it('bound a call of a silent model, and keep its agent waiting until then', async () => {
    const backend = new SilentBackend();
    const texts: string[] = [];
    const rollout = async (task: LetterTask, context: RolloutContext): Promise<number> => {
      const reply = await askForObject(task, context);
      texts.push(`${reply.status} ${await reply.text()}`);
      return 0;
    };
    const limits = [{ callTimeoutMs: heldMs }, { heartbeatMs: heldMs, callTimeoutMs: heldMs + 1 }];
    for (const options of limits) {
      using time = holdTimers(heldMs);
      const isBeating = options.heartbeatMs !== undefined;
      const asked = backend.asked;
      const controller = new AbortController();
      const { trainer } = await createTestTrainer({ rollout, backend, ...options, signal: controller.signal });
      const dev = trainer.dev({ tasks, samples: 2 }).catch((error: unknown) => error);
      await vi.waitUntil(() => backend.asked === asked + 2, { timeout: 240_000 });
      expect(time.count).toBe(2);
      time.end();
      // A sign that the call goes on sets the next one; a call that is over sets nothing.
      expect(time.count).toBe(isBeating ? 2 : 0);
      if (!isBeating) await vi.waitUntil(() => texts.length === 2, { timeout: 240_000 });
      controller.abort();
      await dev;
    }
    const ended = expect.stringMatching(/^504 .*call-timeout/);
    expect(texts).toEqual([ended, ended]);
  });

  it.each([
    [{ callTimeoutMs: 0 }, /callTimeoutMs must be a whole number from 1/],
    [{ stallTimeoutMs: 0.5 }, /stallTimeoutMs must be/],
    [{ heartbeatMs: -1 }, /heartbeatMs must be a whole number from 0/],
    [{ structuredOutput: 'schema' as never }, /structuredOutput must be one of prompt, grammar; got "schema"/],
    [{ answersTo: ['gpt-.*'] }, /Trainer: answersTo\[0\] "gpt-\.\*" is a text/],
  ])('are checked: %j', async (options, message) => {
    await expect(createTestTrainer(options)).rejects.toThrow(message);
  });

  it('are rejected where a gateway is given, which has them itself', async () => {
    const store = new MemoryStore();
    const gateway = await Gateway.start({ store });
    for (const options of [
      { callTimeoutMs: 1 },
      { stallTimeoutMs: 1 },
      { heartbeatMs: 1 },
      { structuredOutput: 'prompt' as const },
      { answersTo: [/./] },
    ])
      await expect(createTestTrainer({ store, gateway, ...options })).rejects.toThrow(
        /must be left out where a gateway is given, which has it as an option/,
      );
    await gateway.close();
    await store.close();
  });

  it('cannot change what a run asks for when it is resumed', async () => {
    const { trainer, runDirectory } = await createTestTrainer();
    await trainer.fit({ train: letterTasks, steps: 1 });
    const { trainer: other } = await createTestTrainer({
      runDirectory,
      structuredOutput: 'grammar',
      callTimeoutMs: 5_000,
    });
    await expect(other.fit({ train: letterTasks, steps: 2, resume: true })).rejects.toThrow(
      /was started with structuredOutput = prompt, and this one has grammar/,
    );
  });
});
