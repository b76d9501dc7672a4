/** An app that builds its client before anything of ours is loaded, and keeps the fetch of that moment; prints the answer. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { ToolLoopAgent } from 'ai';

const [ownUrl, policyUrl] = process.argv.slice(2) as [string, string];
const settings = { name: 'own', baseURL: ownUrl, apiKey: 'own-key', fetch: globalThis.fetch };
const agent = new ToolLoopAgent({ id: 'writer', model: createOpenAICompatible(settings)('own-model') });

const { withLightning } = await import('../../src/index.ts');
const { startTestRollout } = await import('@agent-lightning/testing');
const { text } = await startTestRollout(policyUrl).run(() => withLightning(agent).generate({ prompt: 'q' }));
process.stdout.write(text);
