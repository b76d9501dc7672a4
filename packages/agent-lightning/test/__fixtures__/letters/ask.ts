import type { RolloutContext } from 'agent-lightning';

/** Asks the policy, and returns the share of the answer's characters that are letters. */
export async function countLetters(letter: string, { llm, signal }: Pick<RolloutContext, 'llm' | 'signal'>): Promise<number> {
  const response = await fetch(`${llm.baseUrl}/chat/completions`, {
    method: 'POST',
    signal,
    headers: { authorization: `Bearer ${llm.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: llm.model, messages: [{ role: 'user', content: letter }] }),
  });
  const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
  const answer = choices[0]!.message.content;
  return answer.replaceAll(/[^a-z]/gi, '').length / Math.max(1, answer.length);
}
