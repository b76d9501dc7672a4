/** Gives an agent the models of its own: the starting model, as it is, behind an ordinary OpenAI-compatible URL. */
import type { EmbeddedBackend } from '@agent-lightning/embedded';
import { serve } from '@agent-lightning/gateway';

/** Serves the starting model and points `OPENAI_BASE_URL` and `OPENAI_API_KEY` at it, until it is disposed of. */
export async function serveStartingModel(backend: EmbeddedBackend, model: string): Promise<AsyncDisposable> {
  const server = await serve({ release: await backend.baseRelease(), model });
  process.env['OPENAI_BASE_URL'] = server.baseUrl;
  process.env['OPENAI_API_KEY'] = server.apiKey;
  return { [Symbol.asyncDispose]: () => server.close() };
}
