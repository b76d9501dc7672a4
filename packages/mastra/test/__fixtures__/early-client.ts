/** An app that builds its client before anything of ours is loaded, and keeps the fetch of that moment; prints the answer. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { Agent } from '@mastra/core/agent';

const [ownUrl, policyUrl] = process.argv.slice(2) as [string, string];
const settings = { name: 'own', baseURL: ownUrl, apiKey: 'own-key', fetch: globalThis.fetch };
const model = createOpenAICompatible(settings)('own-model') as never;
const agent = new Agent({ id: 'writer', name: 'writer', instructions: 'Write.', model });

const { withLightning } = await import('../../src/index.ts');
const { startTestRollout } = await import('@agent-lightning/testing');
const { text } = await startTestRollout(policyUrl).run(() => withLightning(agent).generate('q'));
process.stdout.write(text);
