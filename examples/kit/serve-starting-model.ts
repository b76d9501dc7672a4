/** Gives an agent the models of its own: the starting model, as it is, behind an ordinary OpenAI-compatible URL. */
import { ConfigurationError, type TrainingBackend } from '@agent-lightning/core';
import { serve } from '@agent-lightning/gateway';

/**
 * Serves the starting model and points `OPENAI_BASE_URL` and `OPENAI_API_KEY` at it, until it is disposed of.
 * @throws {ConfigurationError} `option-unsupported` when the backend does not serve its base model
 */
export async function serveStartingModel(backend: TrainingBackend, model: string): Promise<AsyncDisposable> {
  const snapshot = await backend.baseSnapshot();
  if (snapshot === undefined) {
    throw new ConfigurationError(
      `the backend ${backend.name} does not serve its base model, which the agent's own calls need; take one that does`,
      { code: 'option-unsupported' },
    );
  }
  const server = await serve({ snapshot, model });
  process.env['OPENAI_BASE_URL'] = server.baseUrl;
  process.env['OPENAI_API_KEY'] = server.apiKey;
  return { [Symbol.asyncDispose]: () => server.close() };
}
