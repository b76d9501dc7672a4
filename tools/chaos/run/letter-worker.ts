// The process that trains and samples: the letter model behind an OpenAI-compatible server. It writes down every optimizer step.
// Arguments: the configuration as JSON.
import { randomInt } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import type { AdamParameters, Loss, SamplingEngine, TrainablePolicy, TrainingSample } from '@agent-lightning/core';
import { startModelServer, type ChatRequest, type ScriptedReply } from '@agent-lightning/testing';
import { LetterBackend } from '../../bench/learning/ailments/letter-model.ts';
import { pack, unpack, type LearnerCall } from './wire.ts';

export interface WorkerConfiguration {
  readonly port: number;
  readonly ledger: string;
}

/** One optimizer step, as it is written down before its answer is sent. */
export interface AppliedStep {
  /** The optimizer steps before it. */
  readonly from: number;
  readonly passes: readonly { readonly samples: readonly TrainingSample[]; readonly loss: Loss }[];
  readonly adam: AdamParameters;
}

const { port, ledger } = JSON.parse(process.argv[2] ?? '{}') as WorkerConfiguration;
const backend = new LetterBackend();
const engines = new Map<string, SamplingEngine>();
let session: string | undefined;
let policy: TrainablePolicy | undefined;
let passes: { samples: readonly TrainingSample[]; loss: Loss }[] = [];
/** Calls are carried out one after another, in the order in which they come. */
let last: Promise<unknown> = Promise.resolve();

const server = await startModelServer({
  port,
  respond: sample,
  intercept: ({ path, body }, response) => {
    if (path !== '/learner') return false;
    last = last.then(async () => {
      try {
        response.end(JSON.stringify(pack(await learn(unpack(body) as LearnerCall))));
      } catch (error) {
        response.writeHead(500).end(JSON.stringify({ message: String(error) }));
      }
    });
    return true;
  },
});
console.log(`ready ${server.baseUrl}`);

async function learn(call: LearnerCall): Promise<unknown> {
  if (call.method === 'create') {
    session = call.session;
    policy = await backend.createPolicy({ name: 'policy', seed: 0 });
    passes = [];
    return undefined;
  }
  if (policy === undefined || call.session !== session) throw new TypeError('this worker has no such session');
  const [first, second] = call.given;
  switch (call.method) {
    case 'forward':
      return await policy.forward(first as readonly TrainingSample[]);
    case 'forwardBackward':
      passes.push({ samples: first as readonly TrainingSample[], loss: second as Loss });
      return await policy.forwardBackward(first as readonly TrainingSample[], second as Loss);
    case 'optimStep': {
      const result = await policy.optimStep(first as AdamParameters);
      const applied: AppliedStep = { from: result.step - 1, passes, adam: first as AdamParameters };
      passes = [];
      appendFileSync(ledger, `${JSON.stringify(pack(applied))}\n`);
      return result;
    }
    case 'publish': {
      const snapshot = await policy.publish(first as number);
      if (snapshot.kind === 'engine') engines.set(`letters-v${snapshot.version}`, snapshot.engine);
      return undefined;
    }
    case 'saveState':
      return await policy.saveState(first as string);
    case 'loadState':
      return await policy.loadState(first as string);
  }
}

async function sample(request: ChatRequest): Promise<ScriptedReply> {
  const engine = engines.get(String(request.model));
  if (engine === undefined) return { fault: { type: 'status', status: 503, message: `no model ${request.model}` } };
  const messages = request.messages.map(({ role, content }) => ({ role, content: String(content ?? '') }));
  const { seed, temperature, max_tokens: maxTokens } = request as Record<string, number | undefined>;
  let prompt: Int32Array = new Int32Array();
  let [content, finishReason] = ['', 'stop'];
  const [tokenIds, logprobs]: [number[], number[]] = [[], []];
  for await (const event of engine.generate({
    input: { messages: messages as never },
    seed: seed ?? randomInt(2 ** 31),
    ...(temperature !== undefined && { temperature }),
    ...(maxTokens !== undefined && { maxTokens }),
  })) {
    if (event.type === 'prompt') prompt = event.tokens;
    if (event.type === 'finish') finishReason = event.reason;
    if (event.type !== 'piece') continue;
    content += event.text;
    tokenIds.push(...event.tokens);
    logprobs.push(...(event.logprobs ?? []));
  }
  return { content, tokenIds, logprobs, finishReason, promptTokenIds: [...prompt] };
}
