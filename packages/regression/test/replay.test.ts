import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Gateway } from '@agent-lightning/gateway';
import { Runner } from '@agent-lightning/runner';
import { MemoryStore } from '@agent-lightning/store';
import { startModelServer, type ModelServer, type ChatRequest, type ScriptedReply } from '@agent-lightning/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkMeanReward, checkReplay, readRecording, recordRollouts, replayRollout } from '../src/index.ts';
import type { RecordedRollout, RecordSummary, ReplayedRollout } from '../src/index.ts';
import { recordedAgent, runAgent, type SumTask, type ToolAgent } from './tool-agent.ts';

let folder: string;
let model: ModelServer;
let recording: readonly RecordedRollout[];
let summary: RecordSummary;

/** Answers as a model that calls the tool, and says what the tool said. */
function answer({ messages }: ChatRequest): ScriptedReply {
  const last = messages.at(-1)!;
  if (last.role === 'tool') return { content: String(last.content) };
  return { toolCalls: [{ name: 'add', arguments: `{"numbers": ${String(last.content)}}` }] };
}

/** Records two rollouts of one task and one of another, and one that fails. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'regression-'));
  model = await startModelServer({ respond: answer });
  const store = new MemoryStore();
  const gateway = await Gateway.start({ store });
  gateway.publish('policy', { kind: 'openai', version: 1, baseUrl: model.baseUrl, model: 'served' });
  const runner = new Runner<SumTask>({
    store,
    gateway,
    openTelemetry: false,
    rollout: async (task, context) => {
      const reward = await runAgent(recordedAgent, task, context);
      return task.numbers.length === 3 ? undefined : reward;
    },
  });
  const inputs = [
    [1, 2],
    [1, 2],
    [30, 12],
    [1, 1, 1],
  ].map((numbers) => ({ numbers }));
  const queued = await store.enqueue(inputs.map((input, index) => ({ input, rolloutId: `r${index}`, mode: 'train' })));
  const running = runner.run();
  await store.waitFor(queued.map(({ rolloutId }) => rolloutId));
  await runner.stop();
  await running;
  const file = join(folder, 'recording.jsonl');
  summary = await recordRollouts({ store, file });
  recording = readRecording(file);
  await gateway.close();
  await store.close();
  await model.close();
});
afterAll(() => rm(folder, { recursive: true }));

async function replay(agent: Partial<ToolAgent>, ignore: readonly RegExp[] = []): Promise<ReplayedRollout> {
  const whole = { ...recordedAgent, ...agent };
  return await replayRollout<SumTask>(recording[0]!, {
    rollout: async (task, context) => await runAgent(whole, task, context),
    ignore,
  });
}

describe('recordRollouts', () => {
  it('makes no store where there is none', async () => {
    const path = join(folder, 'store.sqlite');
    await expect(recordRollouts({ store: path, file: join(folder, 'none.jsonl') })).rejects.toMatchObject({
      code: 'option-invalid',
      message: `recordRollouts: store must be the path of a store that is there; got ${path}`,
    });
    expect(existsSync(path)).toBe(false);
  });

  it('writes tasks, rewards and answers, without token ids, and names what it leaves out', async () => {
    expect(summary).toEqual({ recorded: 3, leftOut: { r3: 'it has no reward' } });
    expect(recording.map(({ input, reward, calls }) => [input, reward, calls.length])).toEqual([
      [{ numbers: [1, 2] }, 1, 2],
      [{ numbers: [1, 2] }, 1, 2],
      [{ numbers: [30, 12] }, 1, 2],
    ]);
    expect(await readFile(join(folder, 'recording.jsonl'), 'utf8')).not.toMatch(/logprobs|responseIds|promptIds/);
  });

  it('says when there is nothing to record, and what a file is that is no recording', async () => {
    const store = new MemoryStore();
    const nothing = recordRollouts({ store, file: join(folder, 'none.jsonl') });
    await expect(nothing).rejects.toThrow(/no rollout can be recorded; the store has none that succeeded/);
    await store.close();
    expect(() => readRecording(import.meta.filename)).toThrow(/has a line that is no JSON/);
    expect(() => readRecording(join(folder, 'absent.jsonl'))).toThrow(/there is no recording at .*absent\.jsonl/);
  });
});

describe('replayRollout', () => {
  it.each([false, true])('gives the recorded answers, each once, with no model there (stream: %s)', async (stream) => {
    const calls = model.calls.length;
    const replayed = await replay({ stream });
    expect(replayed).toEqual({ reward: 1, failure: undefined, missing: [], unused: 0, outsideHosts: [] });
    expect(() => checkReplay(recording[0]!, replayed, 0)).not.toThrow();
    expect(model.calls.length).toBe(calls);
  });

  it('fails by name when the prompt is another one', async () => {
    const replayed = await replay({ system: 'Add the numbers, please.' });
    expect(replayed.missing).toEqual([
      expect.stringMatching(
        /^model call 1 was never recorded: message 1 differs: .*numbers with the tool.*now .*, please/,
      ),
    ]);
    expect(() => checkReplay(recording[0]!, replayed, 0)).toThrow(/^rollout r0: model call 1 was never recorded/);
  });

  it('fails by name when a tool gives something else, which the model is told', async () => {
    const replayed = await replay({ add: () => 4 });
    expect(replayed.missing).toEqual([expect.stringMatching(/^model call 2 was never recorded: message 4 differs/)]);
  });

  it('does not count what changes from run to run', async () => {
    const ignored = await replay({ system: 'Add the numbers with the tool. Today is 2031-01-01.' }, [
      / Today is [\d-]+\./,
    ]);
    expect(ignored).toMatchObject({ reward: 1, missing: [] });
  });
});

describe('checkReplay', () => {
  const good: ReplayedRollout = { reward: 1, failure: undefined, missing: [], unused: 0, outsideHosts: [] };

  it.each<[Partial<ReplayedRollout>, RegExp]>([
    [{ reward: 0.5 }, /the reward fell from 1 to 0\.5/],
    [{ reward: undefined }, /has no reward now; recorded was 1/],
    [{ reward: undefined, failure: { code: 'TypeError', message: 'no' } }, /fails now, with TypeError: no/],
    [{ outsideHosts: ['api.example.com'] }, /went to api\.example\.com past the recording/],
  ])('fails for %j', (change, message) => {
    expect(() => checkReplay(recording[0]!, { ...good, ...change }, 0.25)).toThrow(message);
  });

  it('lets one rollout fall where the mean is what counts', () => {
    const replayed = [1, 1, 0.7].map((reward) => ({ ...good, reward }));
    expect(() => checkMeanReward(recording, replayed, 0.2)).not.toThrow();
    expect(() => checkMeanReward(recording, replayed, 0)).toThrow(/the mean reward fell from 1 to 0\.9/);
    expect(() => checkMeanReward(recording, replayed.slice(1), 0)).toThrow(/1 of 3 rollouts have no reward/);
  });
});
