/** An app that builds its client before anything of ours is loaded, and keeps the fetch of that moment; prints the answer. */
import { Agent, OpenAIChatCompletionsModel, run } from '@openai/agents';
import OpenAI from 'openai';

const [ownUrl, policyUrl] = process.argv.slice(2) as [string, string];
const client = new OpenAI({ baseURL: ownUrl, apiKey: 'own-key', maxRetries: 0, fetch: globalThis.fetch });
const agent = new Agent({ name: 'writer', model: new OpenAIChatCompletionsModel(client as never, 'own-model') });

const { withLightning } = await import('../../src/index.ts');
const { startTestRollout } = await import('@agent-lightning/testing');
const { finalOutput } = await startTestRollout(policyUrl).run(() => run(withLightning(agent), 'q'));
process.stdout.write(String(finalOutput));
