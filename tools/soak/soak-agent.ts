import { runCommand, type RolloutContext, type RolloutResult } from '@agent-lightning/runner';
import type { SoakTask } from './soak-tasks.ts';

/** What an agent knows of its rollout, to be compared with what the store has. */
export interface Witness {
  /** Whole answers that it has read. */
  answered: number;
  /** The time of each of its whole calls, in milliseconds. */
  readonly callMs: number[];
  /** Answers that were another's. */
  readonly strange: string[];
  reward: number | undefined;
}

const crashing = runCommand({ command: '/bin/sh', args: ['-c', 'echo broken >&2; exit 3'] });
const printing = runCommand({ command: '/bin/sh', args: ['-c', 'cat > /dev/null; echo \'{"reward": 0.5}\''] });

/** Runs the agent of the soak on its task. */
export async function runSoakAgent(task: SoakTask, context: RolloutContext, witness: Witness): Promise<RolloutResult> {
  if (task.kind === 'command') return await runSoakCommand(task, context, witness);
  for (let call = 0; call < task.calls; call += 1) {
    await ask(task, call, context, witness);
    if (task.kind === 'crashes') throw new RangeError(`the agent of ${task.mark} is broken`);
  }
  witness.reward = task.calls / 4;
  return witness.reward;
}

async function runSoakCommand(task: SoakTask, context: RolloutContext, witness: Witness): Promise<RolloutResult> {
  if (task.calls % 2 === 0) return await crashing(task, context);
  const reward = await printing(task, context);
  witness.reward = 0.5;
  return reward;
}

async function ask(task: SoakTask, call: number, context: RolloutContext, witness: Witness): Promise<void> {
  const startMs = performance.now();
  const isStream = task.kind !== 'plain' || call % 2 === 0;
  const leaving = new AbortController();
  const response = await fetch(`${context.llm.baseUrl}/chat/completions`, {
    method: 'POST',
    signal: AbortSignal.any([context.signal, leaving.signal]),
    headers: { authorization: `Bearer ${context.llm.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: context.llm.model,
      stream: isStream,
      messages: [{ role: 'user', content: `${task.kind} ${task.mark} call ${call}` }],
    }),
  });
  if (task.kind === 'leaves') return await leave(response, leaving);
  const answer = isStream ? await readStream(response) : await readWhole(response);
  if (!answer.includes(task.mark)) witness.strange.push(answer);
  witness.answered += 1;
  witness.callMs.push(performance.now() - startMs);
}

/** Reads the beginning of an answer, and goes away. */
async function leave(response: Response, leaving: AbortController): Promise<void> {
  const reader = response.body!.getReader();
  await reader.read();
  leaving.abort();
  await reader.read().catch(() => undefined);
}

async function readWhole(response: Response): Promise<string> {
  const text = await response.text();
  if (text === '') throw new TypeError(`the model answered ${response.status} and nothing else`);
  const { choices, error } = JSON.parse(text) as Chunk;
  if (error !== undefined) throw new TypeError(`the model answered ${JSON.stringify(error)}`);
  return choices![0]!.message!.content;
}

interface Chunk {
  readonly choices?: readonly {
    readonly message?: { readonly content: string };
    readonly delta?: { readonly content?: string };
  }[];
  readonly error?: unknown;
}

/** Returns the text of a stream that came to its end. */
async function readStream(response: Response): Promise<string> {
  const text = await response.text();
  if (!response.ok || !text.includes('data: [DONE]'))
    throw new TypeError(`the stream broke: ${response.status} ${text.slice(-200)}`);
  const events = text.split('\n').filter((line) => line.startsWith('data: {'));
  const chunks = events.map((line) => JSON.parse(line.slice('data: '.length)) as Chunk);
  const broken = chunks.find(({ error }) => error !== undefined);
  if (broken !== undefined) throw new TypeError(`the stream broke: ${JSON.stringify(broken.error)}`);
  return chunks.map(({ choices }) => choices?.[0]?.delta?.content ?? '').join('');
}
