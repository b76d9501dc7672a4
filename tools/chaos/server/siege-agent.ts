// The agent of a siege, for a runner of ours and for the command `agent-lightning runner`: it asks the gateway of the trainer, and writes down what it earned.
// SIEGE_LEDGER is the path of the ledger, SIEGE_RUNNER says who runs it.
import type { RolloutContext } from '@agent-lightning/runner';
import { letters } from '../../bench/learning/ailments/letter-model.ts';
import { writeEntry, type SiegeRunner } from './siege-ledger.ts';

// oxlint-disable-next-line import/no-default-export -- the command takes an agent so
export default async function answerLetter(
  { letter }: { readonly letter: string },
  context: RolloutContext,
): Promise<number> {
  const answer = await ask(letter, context);
  const reward = answer[0] === letters[(letters.indexOf(letter) + 1) % letters.length] ? 1 : 0;
  const { rolloutId, attemptId } = context.attempt;
  const runner = process.env['SIEGE_RUNNER'] as SiegeRunner;
  writeEntry(process.env['SIEGE_LEDGER']!, { type: 'earned', rolloutId, attemptId, reward, runner });
  return reward;
}

async function ask(letter: string, { llm, signal }: RolloutContext): Promise<string> {
  const response = await fetch(`${llm.baseUrl}/chat/completions`, {
    method: 'POST',
    signal,
    headers: { authorization: `Bearer ${llm.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: llm.model, messages: [{ role: 'user', content: letter }] }),
  });
  const text = await response.text();
  // With the status, as clients of OpenAI throw it: a model that is away is nobody's mistake.
  if (!response.ok)
    throw Object.assign(new Error(`the model answered ${response.status}: ${text}`), { status: response.status });
  return (JSON.parse(text) as { choices: { message: { content: string } }[] }).choices[0]!.message.content;
}
