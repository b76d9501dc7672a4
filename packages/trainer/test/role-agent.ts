import { seedOf } from './letter-task.ts';
import { installFetchRedirect, requireRollout, runInSpan } from '@agent-lightning/tracing';

installFetchRedirect();

/** One model call of an agent with a name, as an adapter makes it: to a provider of the agent's own, redirected in a rollout. */
export async function askAs(role: string, content: string): Promise<string> {
  const { recorder, attempt, rollout } = requireRollout('askAs');
  const span = recorder.start({ kind: 'agent', name: role, attributes: { 'gen_ai.agent.name': role } });
  const active = { attemptId: attempt.attemptId, spanId: span.spanId, agent: { wrappers: [{}], names: [role] } };
  try {
    return await runInSpan(active, async () => {
      const response = await fetch('https://provider.invalid/v1/chat/completions', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'own', messages: [{ role: 'user', content }], seed: seedOf(rollout, role) }),
      });
      if (!response.ok) throw new Error(`the model answered ${response.status}: ${await response.text()}`);
      const body = (await response.json()) as { choices: { message: { content: string } }[] };
      return body.choices[0]!.message.content;
    });
  } finally {
    span.end();
  }
}
