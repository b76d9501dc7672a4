/** Serves the scripted models by OpenAI's chat dialect, as a hosted model would be. */
import { startModelServer } from '@agent-lightning/testing';

import { answerAsModel } from './scripted-model.ts';
import { answerAsReflection } from './scripted-reflection.ts';

export const scriptedNames = { model: 'scripted-support', reflection: 'scripted-reflection' } as const;

export interface ScriptedServer extends AsyncDisposable {
  /** Ends in `/v1`. */
  readonly baseUrl: string;
}

/** Starts a server with both models on a free port of this machine. @param seed decides what the reflection model draws */
export async function serveScriptedModels(seed: number): Promise<ScriptedServer> {
  const server = await startModelServer({
    models: Object.values(scriptedNames),
    respond: (request) =>
      request.model === scriptedNames.reflection
        ? answerAsReflection(String(request.messages.at(-1)?.content), seed)
        : answerAsModel(request),
  });
  return { baseUrl: server.baseUrl, [Symbol.asyncDispose]: () => server.close() };
}
