/** An app that builds its client before anything of ours is loaded, and keeps the fetch of that moment; prints the answer. */
import { MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { ChatOpenAI } from '@langchain/openai';

const [ownUrl, policyUrl] = process.argv.slice(2) as [string, string];
const configuration = { baseURL: ownUrl, fetch: globalThis.fetch };
const model = new ChatOpenAI({ model: 'own-model', apiKey: 'own-key', maxRetries: 0, configuration });
const graph = new StateGraph(MessagesAnnotation)
  .addNode('writer', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
  .addEdge(START, 'writer')
  .compile();

const { withLightning } = await import('../../src/index.ts');
const { startTestRollout } = await import('@agent-lightning/testing');
const question = { messages: [{ role: 'user', content: 'q' }] };
const { messages } = await startTestRollout(policyUrl).run(() => withLightning(graph).invoke(question));
process.stdout.write(String(messages.at(-1)?.text));
